"""Sound in, utterances out. Knows nothing of language models, emotions or answers."""
