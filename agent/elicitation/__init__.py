"""A distribution over labels out of what a language model says, or how likely it holds it: pure."""
