"""From an utterance to its emotion and an answer."""
