"""How a language model behind the OpenAI protocol is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from ...llm.values import ScoringMethod

AnswerStart: TypeAlias = Literal["auto", "trailing", "continue", "leave_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiCompatibleSettings:
    """Settings of one model at one server.

    Attributes:
        answer_start: how a chat's begun answer is sent. "trailing": as a last message of the assistant, which llama.cpp
            server and Ollama go on with. "continue": the same and `continue_final_message`, which vLLM needs.
            "leave_out": not at all (servers that refuse it). "auto": by the kind of server, "trailing" where unknown; a
            server that neither refuses nor goes on, as the hosted API, begins its answer anew; if it repeats the
            beginning, that is dropped.
        scoring: how labels are scored; None takes the best that the server can, see `LabelScores.method`.
        n_top: how many of the likeliest tokens a server is asked for.
        n_steps: at most this many requests for the labels of one prompt ("top_logprobs").
        n_draws: how many answers are drawn for one prompt ("sampled").
        warms: `prefill` sends the prompt for one token of answer to a server that is known to keep prefixes (vLLM,
            llama.cpp); it costs a request each time.
        hears: the model takes sound with a message.
        context_length: tokens of its window, where the server does not tell.
    """

    answer_start: AnswerStart = "auto"
    scoring: ScoringMethod | None = None
    n_top: int = 20
    n_steps: int = 12
    n_draws: int = 16
    warms: bool = False
    hears: bool = False
    context_length: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("n_top", "n_steps", "n_draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
