"""Talking to a server: the client behind `attune client`, and examples of stock clients. Knows no engine."""
