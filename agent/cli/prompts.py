"""`attune prompts`: what language models are asked, word for word."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from prompts import Prompt as Template
from prompts import PromptInvalid, load, names, versions

from ..backends.emotion.embedded import EmbeddedRecognizer
from ..errors import ConfigInvalid
from ..fusion.evidence import hints_of
from ..given import NBestInvalid, conversation_of, given, parse_nbest, utterance_of
from ..history import visible
from ..r3.compose import compose
from ..r3.conditions import cells, ensemble, ensembles
from ..r3.conditions import condition as named_condition
from ..r3.conditions import names as condition_names
from ..r3.context import view_of
from .boundary import InputInvalid
from .explain import chat_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streaming.events import Hypothesis

    from ..llm.values import Prompt
    from ..r3.condition import R3Condition

app = typer.Typer(help="What language models are asked, word for word: list, show, render.", no_args_is_help=True)

ConditionName = Annotated[
    str | None,
    typer.Option("--condition", metavar="NAME", help="One way to ask, as `attune prompts conditions` lists them."),
]


@app.command("list")
def list_prompts() -> None:
    """List all prompts: name, versions (the current one marked), purpose, source; what the papers do not print."""
    console = Console(highlight=False, soft_wrap=True)
    width = max(map(len, names())) + 2
    for name in names():
        prompt = load(name)
        known = " ".join(
            f"v{n}*" if n == prompt.version and len(versions(name)) > 1 else f"v{n}" for n in versions(name)
        )
        line = Text(f"{name:<{width}}", style="bold").append(f"{known:<8}", style="not bold default")
        console.print(line.append(visible(str(prompt.meta.get("purpose", ""))), style="not bold default"))
        console.print(Text(f"  {visible(str(prompt.meta.get('source', '')))}{_reconstructed(prompt)}", style="dim"))


@app.command()
def show(
    prompt: Annotated[str, typer.Argument(metavar="NAME[@V]", help="A prompt, and which version of it.")],
) -> None:
    """Show a version of a prompt as its files hold it; without a version the current one."""
    found = _template(prompt)
    print(found.id)
    for key, value in found.meta.items():
        print(f"{key}: {visible(value if isinstance(value, str) else _plain(value))}")
    for title, text in _parts(found):
        print(f"\n[{title}]\n{_lines(text)}")


@app.command()
def render(
    prompt: Annotated[str | None, typer.Argument(metavar="[NAME[@V]]", help="A prompt to fill.")] = None,
    values: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="What goes in its places.")
    ] = None,
    condition: ConditionName = None,
    text: Annotated[str | None, typer.Option("--text", help="With --condition: what was said.")] = None,
    nbest: Annotated[
        Path | None,
        typer.Option("--nbest", metavar="FILE", help="Its hypotheses, one a line, or as `attune transcribe --json`."),
    ] = None,
    before: Annotated[
        list[str] | None, typer.Option("--before", metavar="TEXT", help="An earlier turn (repeatable, oldest first).")
    ] = None,
    gender: Annotated[
        str | None, typer.Option(metavar="WORD", help="The speaker's, from their own word or a corpus.")
    ] = None,
    item: Annotated[str | None, typer.Option("--item", metavar="NAME", help="One of the prompt's items.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Messages as JSON, as servers take them.")] = False,
) -> None:
    """Print exactly what a model would be asked: one prompt with its places filled, or the chat of a condition."""
    if (prompt is None) == (condition is None):
        raise ConfigInvalid("nothing to render: give the name of a prompt with key=value …, or --condition with --text")
    if condition is not None:
        said = Said(text=text, nbest=nbest, before=tuple(before or ()), gender=gender)
        members = ensemble(condition) if condition in ensembles() else (condition,)
        chats = [chat for name in members for chat in _asked(named_condition(name), said)]
        _print_chats(chats, as_json=as_json)
        return
    parts = _rendered(_template(prompt or ""), item=item, values=_places(values or []))
    if as_json:
        print(json.dumps([{"role": role, "content": words} for role, words in parts], ensure_ascii=False))
        return
    print("\n\n".join(f"[{role}]\n{_lines(words)}" for role, words in parts))


@app.command()
def conditions() -> None:
    """List the ways to ask: every cell of the papers' tables is one, and so is what is asked live."""
    console = Console(highlight=False, soft_wrap=True)
    width = max(map(len, (*condition_names(), *ensembles()))) + 2
    for name in condition_names():
        asked = named_condition(name)
        shown = ", ".join(part for part in _shown(asked) if part)
        console.print(Text(f"{name:<{width}}", style="bold").append(shown, style="not bold default"))
        if where := cells(name):
            console.print(Text(f"  {where}", style="dim"))
    for line in _ensemble_lines(width):
        console.print(line)


def _ensemble_lines(width: int) -> Iterator[Text]:
    for name in ensembles():
        yield Text(f"{name:<{width}}", style="bold").append(f"vote of {', '.join(ensemble(name))}", style="not bold")


def _shown(asked: R3Condition) -> Iterator[str]:
    """Yield what a condition shows and asks for, in a few words."""
    yield asked.task
    yield f"blocks {'+'.join(map(str, asked.blocks))}" if asked.blocks else ""
    yield f"context {asked.context}" if asked.context else ""
    yield f"{asked.shots} shots" if asked.shots else ""
    yield asked.elicitation


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a condition is asked about."""

    text: str | None
    nbest: Path | None
    before: tuple[str, ...]
    gender: str | None


def _asked(condition: R3Condition, said: Said) -> list[Prompt]:
    """Return the chats of a condition about something that was said; scored labels come right after their ends."""
    listed = () if said.nbest is None else _hypotheses(said.nbest)
    hypotheses = given(said.text) + tuple(hypothesis for hypothesis in listed if hypothesis.text != said.text)
    if not hypotheses:
        raise ConfigInvalid("nothing was said: give --text, or --nbest with a file of hypotheses")
    utterance, conversation = utterance_of(hypotheses), conversation_of(said.before)
    hints = hints_of(EmbeddedRecognizer().estimate(utterance)) if condition.hints else None
    asked = compose(condition, view_of(utterance, conversation, condition, gender=said.gender, hints=hints))
    return [question for _, question in asked.questions] or [asked.score_prompt or asked.prompt]


def _hypotheses(path: Path) -> tuple[Hypothesis, ...]:
    try:
        return parse_nbest(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as trouble:
        raise InputInvalid(f"cannot read {path}: {getattr(trouble, 'strerror', None) or trouble}") from trouble
    except NBestInvalid as trouble:
        raise InputInvalid(f"{path}: {trouble}") from trouble


def _template(name: str) -> Template:
    """Return a prompt by name, or by name and version ("reply@1", "reply@v1")."""
    plain, _, version = name.partition("@")
    number = version.removeprefix("v")
    if version and not number.isdecimal():
        raise ConfigInvalid(f"version is {version!r}, expected a number as in {plain}@1")
    try:
        return load(plain, int(number) if version else None)
    except PromptInvalid as trouble:
        raise ConfigInvalid(str(trouble)) from trouble


def _rendered(prompt: Template, *, item: str | None, values: dict[str, str]) -> list[tuple[str, str]]:
    """Return the parts of a prompt with its places filled, each with the role it is said in."""
    try:
        if item is not None:
            return [("user", prompt.item(item, **values))]
        rendered = prompt.render(**values)
    except PromptInvalid as trouble:
        raise ConfigInvalid(str(trouble)) from trouble
    parts = [(role, words) for role, words in (("system", rendered.system), ("user", rendered.user)) if words]
    if not parts:
        raise ConfigInvalid(f"{prompt.id} is a list of items: name one with --item, of {', '.join(prompt.items)}")
    return parts


def _places(values: list[str]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise ConfigInvalid(f"{wrong[0]!r} is no value for a place, expected key=value")
    return {key: value for key, _, value in pairs}


def _parts(prompt: Template) -> Iterator[tuple[str, str]]:
    if prompt.system:
        yield "system", prompt.system
    if prompt.user:
        yield "user", prompt.user
    yield from prompt.items.items()
    if prompt.schema is not None:
        yield "answer schema", json.dumps(prompt.schema, ensure_ascii=False, indent=2)


def _reconstructed(prompt: Template) -> str:
    """Return the mark of a prompt whose text, or part of it, is not printed in its source."""
    found = prompt.meta.get("reconstructed", False)
    if not found:
        return ""
    return " · reconstructed" + (f": {visible(found)}" if isinstance(found, str) else "")


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _lines(text: str) -> str:
    return "\n".join(visible(line) for line in text.split("\n"))


def _print_chats(chats: list[Prompt], *, as_json: bool) -> None:
    for number, chat in enumerate(chats):
        if as_json:
            messages = [{"role": message.role, "content": message.text} for message in chat.messages]
            print(json.dumps({"messages": messages, "answer_start": chat.answer_start}, ensure_ascii=False))
        else:
            print(*([""] if number else []), *chat_lines(chat), sep="\n")
