"""Answers to be streamed: one of everything that models write, and the worst cases of one kind."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Final

_TEXT: Final = (
    "the stream keeps its order while every token waits for a frame and the reader scrolls through a long answer about "
    "latency tables lists code and mathematics so that nothing on the page moves twice or drops a single letter"
)
_WORDS: Final = tuple(re.findall(r"\w+", _TEXT))
_LANGUAGES: Final = ("python", "javascript", "rust", "sql", "bash")
_PIECE: Final = re.compile(r"\s*\S{1,5}|\s+")


def tokens(kind: str, count: int) -> list[str]:
    """Return so many pieces of text, about four letters each; the same ones for the same arguments."""
    pieces: list[str] = []
    for block in KINDS[kind](random.Random(kind)):
        pieces += _PIECE.findall(block)
        if len(pieces) >= count:
            break
    return pieces[:count]


def _mixed(dice: random.Random) -> Iterator[str]:
    builders = (_prose, _prose, _list, _prose, _table, _prose, _fence, _prose, _formula, _tasks)
    for number in range(1, 1_000_000):
        yield f"## {number}. {_sentence(dice, 5)}\n\n"
        for build in builders:
            yield build(dice) + "\n\n"


def _one_list(dice: random.Random) -> Iterator[str]:
    while True:
        yield f"- **{dice.choice(_WORDS)}** {_sentence(dice, 7)}\n"


def _one_table(dice: random.Random) -> Iterator[str]:
    yield "| name | value | note |\n|---|--:|---|\n"
    while True:
        yield f"| {dice.choice(_WORDS)} | {dice.randrange(10**6)} | `{dice.choice(_WORDS)}` {_sentence(dice, 3)} |\n"


def _one_fence(dice: random.Random) -> Iterator[str]:
    yield "```python\n"
    while True:
        yield _function(dice) + "\n"


def _one_paragraph(dice: random.Random) -> Iterator[str]:
    while True:
        yield _sentence(dice, 12) + " "


def _sentence(dice: random.Random, words: int) -> str:
    chosen = [dice.choice(_WORDS) for _ in range(words + dice.randrange(4))]
    chosen[0] = chosen[0].capitalize()
    if dice.random() < 0.3:
        chosen[-1] = dice.choice(("**{}**", "*{}*", "`{}`", "[{}](https://example.test/page)")).format(chosen[-1])
    return " ".join(chosen) + "."


def _prose(dice: random.Random) -> str:
    return " ".join(_sentence(dice, 10) for _ in range(5))


def _list(dice: random.Random) -> str:
    return "\n".join(f"{place}. {_sentence(dice, 8)}" for place in range(1, 8))


def _tasks(dice: random.Random) -> str:
    return "\n".join(f"- [{dice.choice(' x')}] {_sentence(dice, 6)}" for _ in range(4))


def _table(dice: random.Random) -> str:
    rows = "\n".join(f"| {dice.choice(_WORDS)} | {dice.randrange(1000)} | {_sentence(dice, 3)} |" for _ in range(8))
    return f"| name | value | note |\n|---|--:|---|\n{rows}"


def _fence(dice: random.Random) -> str:
    return f"```{dice.choice(_LANGUAGES)}\n" + "\n".join(_function(dice) for _ in range(4)) + "```"


def _function(dice: random.Random) -> str:
    name = "_".join(dice.sample(_WORDS, 2))
    head = f"def {name}(value: int, limit: int = {dice.randrange(99)}) -> str:"
    return f'{head}\n    """{_sentence(dice, 6)}"""\n    return f"{{value % limit}}"\n'


def _formula(dice: random.Random) -> str:
    sum_of_parts = f"\\sum_{{i=1}}^{{n}} \\frac{{x_i}}{{{dice.randrange(2, 9)}}} = \\sqrt{{y}}"
    return f"With $x_{{{dice.randrange(9)}}}^2$ it follows that\n\n$$\n{sum_of_parts}\n$$"


KINDS: Final[dict[str, Callable[[random.Random], Iterator[str]]]] = {
    "mixed": _mixed,
    "list": _one_list,
    "table": _one_table,
    "fence": _one_fence,
    "paragraph": _one_paragraph,
}
