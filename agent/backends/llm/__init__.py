"""Adapters of `agent.ports.LanguageModel`."""
