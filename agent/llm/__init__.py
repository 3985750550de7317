"""What language models are asked and what they answer; pure. Adapters live in `agent.backends.llm`."""
