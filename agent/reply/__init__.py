"""The reflective listener: what to answer without a language model. Pure but for reading its phrases once."""

from .choose import ReplySettings, reply_to

__all__ = ["ReplySettings", "reply_to"]
