"""Training that needs torch; nothing here is imported before it is asked for."""
