"""The life of responses, from `response.created` to `response.done`, one at a time.

A response may hold one message and calls of tools. The message opens at its first words; a call is told whole, while
the message may still sound. Words are told as they are written, ahead of their sound. A response in audio whose
server has no voice has all events of one with sound but `response.output_audio.delta`.
"""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..behaviour import Truncate
from .codec import Encoder, bytes_per_s
from .faults import WireFault, error_event
from .message import Message, copied
from .response import ResponseShape, ended, usage

if TYPE_CHECKING:
    from streaming.events import Samples

    from ..events import ReplyDelta, ReplyDone, ReplyRefused, ReplyStarted, ToolCalled
    from .dialect import ServerEvent
    from .ids import Ids
    from .items import Item, Items
    from .schema.client import ResponseCreate
    from .settings import SessionSettings

REMEMBERED: Final = 256
"""So many messages may still be truncated."""


@dataclass(slots=True, kw_only=True)
class _Response:
    """The response under way."""

    id: str
    utterance: int
    shape: ResponseShape
    resource: dict[str, Any]
    output: list[Item] = field(default_factory=list["Item"])
    previous: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    message: Message | None = None


@dataclass(slots=True, kw_only=True)
class _Asked:
    shape: ResponseShape
    event_id: str | None


class Answering:
    """Tells of the session's responses. Calls come in the order of the session's events."""

    def __init__(self, ids: Ids, items: Items, *, conversation: str = "conv_1") -> None:
        """Begin without a response.

        Args:
            ids: names of what is made.
            items: the conversation; messages and calls are put at its end.
            conversation: its id.
        """
        self._ids = ids
        self._items = items
        self._conversation = conversation
        self._now: _Response | None = None
        self._asked: dict[str, _Asked] = {}
        self._spoken: dict[str, Message] = {}
        self._has_spoken = False

    @property
    def active(self) -> str | None:
        """Id of the response under way, from `response.created` to `response.done`."""
        return None if self._now is None else self._now.id

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of the responses that were asked for and have not begun."""
        return tuple(self._asked)

    @property
    def speaking(self) -> str | None:
        """Id of the message under way."""
        return None if self._now is None or self._now.message is None else self._now.message.item["id"]

    @property
    def has_spoken(self) -> bool:
        """Sound of a reply has been sent in this session."""
        return self._has_spoken

    def asked(self, create: ResponseCreate, request: str, settings: SessionSettings) -> None:
        """A client asks for a response; `request` is the id it will have (`Respond.request`)."""
        self._asked[request] = _Asked(shape=ResponseShape.of(settings, create), event_id=create.event_id)

    def refused(self, event: ReplyRefused) -> list[ServerEvent]:
        """What was asked for will not come."""
        asked = self._asked.pop(event.request, None)
        event_id = None if asked is None else asked.event_id
        fault = WireFault("conversation_already_has_active_response", event.message, event_id=event_id)
        return [error_event(self._ids, fault)]

    def started(self, event: ReplyStarted, settings: SessionSettings) -> list[ServerEvent]:
        """An answer begins, asked for or not."""
        asked = None if event.request is None else self._asked.pop(event.request, None)
        shape = ResponseShape.of(settings) if asked is None else asked.shape
        response_id = event.request or self._ids.response()
        resource = shape.resource(response_id, conversation=self._conversation)
        self._now = _Response(id=response_id, utterance=event.utterance, shape=shape, resource=resource)
        return [self._event("response.created", response=dict(resource))]

    def delta(self, event: ReplyDelta) -> list[ServerEvent]:
        """The next words of the answer."""
        now = self._now
        if now is None:
            return []
        message, events = self._message(now)
        message.text += event.text
        kind = "response.output_audio_transcript.delta" if now.shape.is_spoken else "response.output_text.delta"
        return [*events, self._of_part(kind, now, message, delta=event.text)]

    def sound(self, samples: Samples) -> list[ServerEvent]:
        """The next sound of the answer (float32, mono, 16 kHz); nothing is told of it in a response in text."""
        now = self._now
        if now is None or not now.shape.is_spoken:
            return []
        message, events = self._message(now)
        assert message.encoder is not None
        return events + self._sounded(now, message, message.encoder.feed(samples))

    def called(self, event: ToolCalled) -> list[ServerEvent]:
        """The model asks for a tool."""
        now = self._now
        if now is None:
            return []
        item: Item = {
            "id": self._ids.item(),
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": event.name,
            "call_id": event.call or self._ids.call(),
            "arguments": "",
        }
        events, index = self._added(now, item)
        of_call = {"item_id": item["id"], "output_index": index, "call_id": item["call_id"]}
        item |= {"status": "completed", "arguments": event.arguments}
        kind = "response.function_call_arguments"
        return [
            *events,
            self._of(f"{kind}.delta", now, **of_call, delta=event.arguments),
            self._of(f"{kind}.done", now, **of_call, name=event.name, arguments=event.arguments),
            *self._item_done(now, item, index),
        ]

    def done(self, event: ReplyDone, *, trouble: str = "") -> list[ServerEvent]:
        """The answer is over. What was cut short holds the words that were heard, and is "incomplete".

        Args:
            event: how it ended.
            trouble: what failed, where an engine did.
        """
        now, self._now = self._now, None
        if now is None:
            return []
        end = ended(event, trouble=trouble)
        message = now.message
        events: list[ServerEvent] = []
        if message is not None:
            if event.interrupted:
                message.text, message.text_ms = event.text, 1000 * event.played_s
            message.item["status"] = "completed" if end["status"] == "completed" else "incomplete"
            events = self._message_done(now, message)
        sound_ms = 0.0 if message is None else message.sound_ms
        output = [copied(item) for item in now.output]
        resource = now.resource | end | {"output": output, "usage": usage(output, sound_ms=sound_ms)}
        return [*events, self._event("response.done", response=resource)]

    def truncated(
        self, item_id: str, *, content_index: int, audio_end_ms: int, event_id: str | None = None
    ) -> tuple[Truncate, list[ServerEvent]]:
        """The client says how much of a message it has played; the rest was not heard.

        Returns:
            What the session is to know, and what the client is told.

        Raises:
            WireFault: there is no such message, it has no sound, or not so much.
        """
        message = self._spoken.get(item_id)
        if message is None or item_id not in self._items:
            text = f"there is no message {item_id:.100} with sound, expected the id of one of the agent's"
            raise WireFault("item_not_found", text, param="item_id", event_id=event_id)
        if content_index != 0:
            text = f"there is no content {content_index}, expected 0"
            raise WireFault("invalid_field", text, param="content_index", event_id=event_id)
        # Rounded up: clients count the bytes they got, and round in their own way.
        whole_ms = math.ceil(message.sound_ms)
        if not 0 <= audio_end_ms <= whole_ms:
            text = f"the message has {whole_ms} ms of sound, expected no more, got {audio_end_ms}"
            raise WireFault("invalid_field", text, param="audio_end_ms", event_id=event_id)
        if self.speaking != item_id:
            message.cut(at_ms=audio_end_ms)
        told = self._event("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)
        return Truncate(utterance=message.utterance, played_s=audio_end_ms / 1000), [told]

    def _message(self, now: _Response) -> tuple[Message, list[ServerEvent]]:
        """Return the response's message, and what is told when it opens just now."""
        if now.message is not None:
            return now.message, []
        shape = now.shape
        item: Item = {
            "id": self._ids.item(),
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        events, index = self._added(now, item)
        part = {"type": "output_audio", "transcript": ""} if shape.is_spoken else {"type": "output_text", "text": ""}
        item["content"].append(part)
        now.message = message = Message(
            item=item,
            index=index,
            utterance=now.utterance,
            encoder=Encoder(shape.output_format) if shape.is_spoken else None,
            per_s=bytes_per_s(shape.output_format),
        )
        if shape.is_spoken and not shape.is_apart:
            self._remember(message)
        return message, [*events, self._of_part("response.content_part.added", now, message, part=message.told_part)]

    def _remember(self, message: Message) -> None:
        item_id = message.item["id"]
        self._items.answers(item_id, message.utterance)
        self._spoken[item_id] = message
        if len(self._spoken) > REMEMBERED:
            del self._spoken[next(iter(self._spoken))]

    def _sounded(self, now: _Response, message: Message, data: bytes) -> list[ServerEvent]:
        if not data:
            return []
        message.n_bytes += len(data)
        self._has_spoken = True
        return [self._of_part("response.output_audio.delta", now, message, delta=b64encode(data).decode("ascii"))]

    def _message_done(self, now: _Response, message: Message) -> list[ServerEvent]:
        events: list[ServerEvent] = []
        if message.encoder is None:
            events += [self._of_part("response.output_text.done", now, message, text=message.text)]
        else:
            if message.n_bytes:
                events += self._sounded(now, message, message.encoder.flush())
            events += [
                self._of_part("response.output_audio.done", now, message),
                self._of_part("response.output_audio_transcript.done", now, message, transcript=message.text),
            ]
        events += [self._of_part("response.content_part.done", now, message, part=message.told_part)]
        return events + self._item_done(now, message.item, message.index)

    def _added(self, now: _Response, item: Item) -> tuple[list[ServerEvent], int]:
        """Put an item into the response, and into the conversation where it belongs there."""
        index = len(now.output)
        now.output.append(item)
        events = [self._of("response.output_item.added", now, output_index=index, item=copied(item))]
        if not now.shape.is_apart:
            previous = now.previous[item["id"]] = self._items.add(item)
            events.append(self._event("conversation.item.added", previous_item_id=previous, item=copied(item)))
        return events, index

    def _item_done(self, now: _Response, item: Item, index: int) -> list[ServerEvent]:
        events = [self._of("response.output_item.done", now, output_index=index, item=copied(item))]
        if not now.shape.is_apart and item["id"] in self._items:
            previous = now.previous[item["id"]]
            events.append(self._event("conversation.item.done", previous_item_id=previous, item=copied(item)))
        return events

    def _of_part(self, kind: str, now: _Response, message: Message, **fields: object) -> ServerEvent:
        return {
            "type": kind,
            "event_id": self._ids.event(),
            "response_id": now.id,
            "item_id": message.item["id"],
            "output_index": message.index,
            "content_index": 0,
            **fields,
        }

    def _of(self, kind: str, now: _Response, **fields: object) -> ServerEvent:
        return {"type": kind, "event_id": self._ids.event(), "response_id": now.id, **fields}

    def _event(self, kind: str, **fields: object) -> ServerEvent:
        return {"type": kind, "event_id": self._ids.event(), **fields}
