"""Prompts with sound as tokens: the model's own template says where a sound stands, its processor how long it is."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from streaming.errors import ModelUnusable

from ...llm.template import ChatTemplate, Part
from .transformers_text import TokenText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...llm.values import Message, Prompt
    from .audio_ears import Ears

_WITH_SOUND: Final = (
    "{%- set heard = namespace(messages=[]) -%}"
    "{%- for message in messages -%}"
    "{%- set n = COUNTS[loop.index0] -%}"
    "{%- set sounds = [{'type': 'audio', 'audio_url': 'sound'}] * n -%}"
    "{%- set text = {'type': 'text', 'text': message.content} -%}"
    "{%- set content = sounds + [text] if n else message.content -%}"
    "{%- set heard.messages = heard.messages + [{'role': message.role, 'content': content}] -%}"
    "{%- endfor -%}"
    "{%- set messages = heard.messages %}"
)
"""Put before the template of a model that hears, it gives messages the form such templates expect them in."""


class HearingTemplate(ChatTemplate):
    """A chat template for prompts whose messages may have sound.

    Args:
        source: its jinja text.
        tokens: the model's begin and end tokens.
        ears: tells how many sounds a message has, and what stands for one.
    """

    def __init__(self, source: str, *, tokens: tuple[str, str], ears: Ears) -> None:
        super().__init__(source, bos=tokens[0], eos=tokens[1])
        self._ears = ears

        def with_sound(counts: tuple[int, ...]) -> ChatTemplate:
            before = _WITH_SOUND.replace("COUNTS", str(list(counts)))
            return ChatTemplate(before + source, bos=tokens[0], eos=tokens[1])

        self._with_sound = lru_cache(maxsize=64)(with_sound)

    def parts(self, prompt: Prompt) -> tuple[Part, ...]:
        """Return the text in order, told apart by who wrote it; the model's token for it stands for each sound.

        Raises:
            ModelUnusable: the template fails on it, or leaves a sound out.
        """
        counts = tuple(self._count(message) for message in prompt.messages)
        if not any(counts):
            return super().parts(prompt)
        if prompt.is_raw:
            return self._raw(prompt, counts)
        parts = self._with_sound(counts).parts(prompt)
        if sum(part.text.count(self._ears.token) for part in parts if part.is_special) != sum(counts):
            raise ModelUnusable("the model's chat template leaves sound out; use another model, or send words alone")
        return parts

    def _count(self, message: Message) -> int:
        return 0 if message.audio is None else self._ears.n_sounds(message.audio)

    def _raw(self, prompt: Prompt, counts: Sequence[int]) -> tuple[Part, ...]:
        """Return a prompt without a template: each message's sound before its text."""
        parts: list[Part] = []
        for message, n in zip(prompt.messages, counts, strict=True):
            parts.append(Part(text=self._ears.marked * n, is_special=True))
            parts.append(Part(text=message.text, is_special=False))
        parts.append(Part(text=prompt.answer_start, is_special=False))
        return tuple(part for part in parts if part.text)


class HearingText(TokenText):
    """The tokenizer and template of a model that hears; the tokens of sound are negative (see `audio_ears`).

    Raises:
        ModelUnusable: the model has no tokenizer or no chat template.
    """

    def __init__(self, processor: Any, ears: Ears) -> None:  # noqa: ANN401 - any of transformers' processors
        tokenizer = processor.tokenizer
        source = getattr(processor, "chat_template", None) or tokenizer.chat_template
        if not isinstance(source, str):
            raise ModelUnusable("the model has no chat template, which says where sound stands; use another model")
        tokenizer.chat_template = source
        super().__init__(tokenizer)
        self._ears = ears
        self._template = HearingTemplate(
            source, tokens=(tokenizer.bos_token or "", tokenizer.eos_token or ""), ears=ears
        )

    def encode(self, prompt: Prompt) -> list[int]:
        """Return the prompt as the model will see it, sound included.

        Raises:
            EngineFailed: a message's sound is empty or not all numbers.
        """
        return self._heard(super().encode(prompt), prompt)

    def encode_with(self, prompt: Prompt, labels: Sequence[str]) -> list[list[int]]:
        """Return the tokens of the prompt with each label behind it; raises as `encode`."""
        return [self._heard(tokens, prompt) for tokens in super().encode_with(prompt, labels)]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones and sound left out."""
        return super().decode([token for token in tokens if token >= 0])

    def _heard(self, tokens: list[int], prompt: Prompt) -> list[int]:
        """Return `tokens` with each token that stands for a sound replaced by the sound's own."""
        audios = (message.audio for message in prompt.messages if message.audio is not None)
        sounds = iter([sound for audio in audios for sound in self._ears.listen(audio)])
        heard: list[int] = []
        for token in tokens:
            heard.extend(next(sounds).ids if token == self._ears.token_id else [token])
        return heard
