"""Several readings of one utterance become one estimate: experts combined, what differs told, turns linked. Pure."""
