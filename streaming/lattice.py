"""Word lattices: read one, thin it out, find its best readings under a language model. Knows nothing of engines.

A lattice is an acyclic graph. A node is a word that begins at a time; a link is one way to speak the word it comes
from, up to the word it leads to. Scores are natural logs.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

LanguageScore: TypeAlias = Callable[[str, tuple[str, ...]], float]
"""Log-probability (already weighted) of a word after the words before it, the nearest last."""

SENTENCE_START = "<s>"
SENTENCE_END = "</s>"
_HTK_WORDS = {"!NULL": None, "!SENT_START": None, "!SENT_END": None}
_HTK_FIELD = re.compile(r"(\w+)=(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A word that begins at `start_s`; `word` is None where nothing is said (silence, noise, the two ends)."""

    word: str | None
    start_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The word of node `source`, spoken until node `target` begins; `posterior` in [0, 1]."""

    source: int
    target: int
    acoustic: float
    posterior: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """An acyclic graph of words from node `start` to node `end`; the sound ends at `end_s`."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    start: int
    end: int
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way through a lattice: the nodes that carry words, the time each word ends, and the score."""

    nodes: tuple[int, ...]
    ends_s: tuple[float, ...]
    score: float


def parse_htk(text: str, *, end_s: float) -> Lattice:
    """Read a lattice in HTK's standard lattice format, words on nodes, as PocketSphinx writes it.

    Args:
        text: the file.
        end_s: length of the sound, which the format does not tell.

    Raises:
        ValueError: a header value, node or link is missing or malformed.
    """
    header: dict[str, int] = {}
    nodes: dict[int, Node] = {}
    links: list[Link] = []
    for line in text.splitlines():
        fields = dict(_HTK_FIELD.findall(line))
        if line.startswith("I="):
            word = fields["W"]
            nodes[int(fields["I"])] = Node(word=_HTK_WORDS.get(word, word), start_s=float(fields["t"]))
        elif line.startswith("J="):
            links.append(_link(fields))
        elif line.startswith(("start=", "end=")):
            header.update({key: int(value) for key, value in fields.items()})
    try:
        return Lattice(
            nodes=tuple(nodes[i] for i in range(len(nodes))),
            links=tuple(links),
            start=header["start"],
            end=header["end"],
            end_s=end_s,
        )
    except KeyError as missing:
        raise ValueError(f"lattice without {missing}, expected start=, end= and nodes numbered from 0") from missing


def _link(fields: dict[str, str]) -> Link:
    try:
        return Link(
            source=int(fields["S"]),
            target=int(fields["E"]),
            acoustic=float(fields["a"]),
            posterior=float(fields.get("p", "1")),
        )
    except KeyError as missing:
        raise ValueError(f"link without {missing}, expected S=, E= and a=") from missing


def prune(lattice: Lattice, *, min_posterior: float) -> Lattice:
    """Return the lattice without the links below `min_posterior` and those that then lead nowhere."""
    strong = [link for link in lattice.links if link.posterior >= min_posterior]
    forward = _reachable(lattice.start, [(link.source, link.target) for link in strong])
    backward = _reachable(lattice.end, [(link.target, link.source) for link in strong])
    alive = forward & backward
    return replace(lattice, links=tuple(link for link in strong if link.source in alive and link.target in alive))


def _reachable(first: int, arcs: Sequence[tuple[int, int]]) -> set[int]:
    after: dict[int, list[int]] = {}
    for source, target in arcs:
        after.setdefault(source, []).append(target)
    seen, stack = {first}, [first]
    while stack:
        for target in after.get(stack.pop(), ()):
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return seen


def topological(lattice: Lattice) -> list[int]:
    """Return the nodes that can be reached from the start, each before those its links lead to.

    Raises:
        ValueError: the graph has a cycle.
    """
    alive = _reachable(lattice.start, [(link.source, link.target) for link in lattice.links])
    links = [link for link in lattice.links if link.source in alive]
    n_before = dict.fromkeys(alive, 0)
    after: dict[int, list[int]] = {}
    for link in links:
        n_before[link.target] += 1
        after.setdefault(link.source, []).append(link.target)
    ready, order = [lattice.start], list[int]()
    while ready:
        node = ready.pop()
        order.append(node)
        for target in after.get(node, ()):
            n_before[target] -= 1
            if not n_before[target]:
                ready.append(target)
    if len(order) != len(alive):
        raise ValueError("lattice with a cycle, expected an acyclic graph")
    return order


@dataclass(frozen=True, slots=True)
class _Prefix:
    """A partial path: its score, the words so far, where each begins (node) and ends."""

    score: float
    words: tuple[str, ...]
    nodes: tuple[int, ...]
    ends_s: tuple[float, ...]


def k_best(
    lattice: Lattice, *, n_best: int, score: LanguageScore, order: int = 3, per_node: int | None = None
) -> list[Path]:
    """Return the best readings that differ in their words, best first.

    Each node keeps, for each language-model history, the `n_best` best prefixes that differ in their words; no dropped
    prefix can be part of the best `n_best` readings, so the answer is exact. Of paths with the same words the best is
    kept. With `per_node` each node keeps only that many prefixes in all: bounded work, nearly the same answer.

    Args:
        lattice: acyclic.
        n_best: how many readings at most, at least 1.
        score: language model, asked for every word and for `SENTENCE_END`; its history begins with `SENTENCE_START`.
        order: words the model looks at, its own included (3 for a trigram).
        per_node: None for an exact answer, else at least `n_best`.
    """
    outgoing: dict[int, list[Link]] = {}
    for link in lattice.links:
        outgoing.setdefault(link.source, []).append(link)
    at: dict[int, dict[tuple[str, ...], _Prefix]] = {
        lattice.start: {(): _Prefix(0.0, (), (), ())},
    }
    for node in topological(lattice):
        prefixes = _best_per_history(at.pop(node, {}), n_best=n_best, order=order)
        if per_node is not None and len(prefixes) > per_node:
            prefixes = heapq.nsmallest(per_node, prefixes, key=_by_score)
        if node == lattice.end:
            return _finished(lattice, prefixes, n_best=n_best, score=score, order=order)
        for link in outgoing.get(node, ()):
            _extend(lattice, link, prefixes, into=at.setdefault(link.target, {}), score=score, order=order)
    return []


def _history(words: tuple[str, ...], order: int) -> tuple[str, ...]:
    return (SENTENCE_START, *words)[-(order - 1) :] if order > 1 else ()


def _best_per_history(found: dict[tuple[str, ...], _Prefix], *, n_best: int, order: int) -> list[_Prefix]:
    groups: dict[tuple[str, ...], list[_Prefix]] = {}
    for prefix in found.values():
        groups.setdefault(_history(prefix.words, order), []).append(prefix)
    return [prefix for group in groups.values() for prefix in heapq.nsmallest(n_best, group, key=_by_score)]


def _by_score(prefix: _Prefix) -> tuple[float, tuple[str, ...]]:
    return (-prefix.score, prefix.words)


def _extend(
    lattice: Lattice,
    link: Link,
    prefixes: Sequence[_Prefix],
    *,
    into: dict[tuple[str, ...], _Prefix],
    score: LanguageScore,
    order: int,
) -> None:
    """Add to `into` what each prefix becomes when its last word is spoken along `link`."""
    target = lattice.nodes[link.target]
    ends_word = lattice.nodes[link.source].word is not None
    for prefix in prefixes:
        words, nodes, total = prefix.words, prefix.nodes, prefix.score + link.acoustic
        if target.word is not None:
            total += score(target.word, _history(words, order))
            words, nodes = (*words, target.word), (*nodes, link.target)
        known = into.get(words)
        if known is None or total > known.score:
            ends_s = (*prefix.ends_s, target.start_s) if ends_word else prefix.ends_s
            into[words] = _Prefix(total, words, nodes, ends_s)


def _finished(
    lattice: Lattice, prefixes: Sequence[_Prefix], *, n_best: int, score: LanguageScore, order: int
) -> list[Path]:
    paths = [
        (prefix.score + score(SENTENCE_END, _history(prefix.words, order)), prefix.words, prefix) for prefix in prefixes
    ]
    paths.sort(key=lambda entry: (-entry[0], entry[1]))
    # a lattice cut in the middle of a word has that word on its end node
    last = (lattice.end_s,) if lattice.nodes[lattice.end].word is not None else ()
    return [Path(nodes=prefix.nodes, ends_s=prefix.ends_s + last, score=total) for total, _, prefix in paths[:n_best]]
