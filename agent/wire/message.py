"""What the agent says in a response: its item, and how much sound of it was sent. Pure bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .codec import Encoder
    from .items import Item


@dataclass(slots=True, kw_only=True)
class Message:
    """The message of a response.

    Attributes:
        item: as the conversation has it; changed as words come.
        index: its place in the response.
        utterance: what it answers.
        encoder: of its sound, None in a response in text.
        per_s: bytes in a second of sound.
        n_bytes: of sound sent.
        text_ms: sound that goes with the text, None: all that was sent.
    """

    item: Item
    index: int
    utterance: int
    encoder: Encoder | None
    per_s: int
    n_bytes: int = 0
    text_ms: float | None = None

    @property
    def text(self) -> str:
        """All words told so far."""
        return self._part["transcript" if self.encoder else "text"]

    @text.setter
    def text(self, text: str) -> None:
        self._part["transcript" if self.encoder else "text"] = text

    @property
    def sound_ms(self) -> float:
        """How much sound was sent."""
        return 1000 * self.n_bytes / self.per_s

    @property
    def told_part(self) -> dict[str, Any]:
        """The content as `response.content_part` names it, which is not how an item does."""
        if self.encoder is None:
            return {"type": "text", "text": self.text}
        return {"type": "audio", "transcript": self.text}

    @property
    def _part(self) -> dict[str, Any]:
        return self.item["content"][0]

    def cut(self, *, at_ms: float) -> None:
        """Keep the whole words of the first `at_ms` of sound."""
        whole_ms = self.sound_ms if self.text_ms is None else self.text_ms
        self.text = _first_words(self.text, share=at_ms / whole_ms if whole_ms > 0 else 1.0)
        self.text_ms = min(at_ms, whole_ms)


def copied(item: Item) -> Item:
    """Return an item as it is now; the conversation's own goes on changing."""
    return item | {"content": [dict(part) for part in item["content"]]} if "content" in item else dict(item)


def _first_words(text: str, *, share: float) -> str:
    """Return the whole words within the first `share` of a text."""
    end = int(share * len(text))
    if end >= len(text):
        return text
    if not text[end].isspace():
        end = max(text.rfind(" ", 0, end), 0)
    return text[:end].rstrip()
