"""One request of a soak: how it is asked, what its upstream does, how its client behaves, what must come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, final

from llms.testing.seen import Seen

Dialect = Literal["chat", "messages", "responses"]
Client = Literal["read", "slow", "clogged", "leave", "resume", "abandon"]
Fault = Literal[
    "none", "late", "garbage", "cut at once", "cut after the head", "cut midway", "close midway", "half a chunk",
    "stall at once", "stall after the head", "stall midway", "error midway", "429", "500", "503",
]  # fmt: skip
"""What an upstream does to an answer. Of a whole answer, midway is in the middle of its body."""
Share = Literal["all", "half", "beginning", "nothing"]
"""How much of the text must arrive: exactly half; any beginning, where a reset may lose bytes that were sent."""

PIECES: Final = 100
BULKY: Final = 16 * 1024
"""Bytes of a piece of such an answer."""


class Told(NamedTuple):
    """What a client must be told of a fault: one of these words, after so much text. No word is a whole answer."""

    words: frozenset[str]
    text: Share


@final
@dataclass(frozen=True, slots=True)
class Kind:
    """Requests that are alike; `weight` is their share among all."""

    name: str
    weight: float
    fault: Fault = "none"
    client: Client = "read"
    dialect: Dialect = "chat"
    model: str = "plain"
    stream: bool = True
    pieces: int = PIECES
    bulky: bool = False

    @property
    def told(self) -> Told:
        """Return what its client must be told."""
        told = Told(frozenset(), "all") if self.model == "safe" else TOLD[self.fault]
        return told if self.stream or not told.words else told._replace(text="nothing")

    @property
    def chunks(self) -> int:
        """Return how many pieces come through the server, about."""
        share = {"all": 1.0, "half": 0.5, "beginning": 0.5, "nothing": 0.0}[self.told.text]
        share = 0.25 if self.client in ("leave", "abandon") and self.fault == "none" else share
        return round(self.pieces * share) if self.stream else 1


@final
@dataclass(slots=True)
class Case:
    """One request: its number stands in its prompt, and in each piece of its answer."""

    number: int
    kind: Kind
    seen: list[Seen] = field(default_factory=list)
    """The requests to the upstream that it led to."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """The upstream has it."""

    @property
    def tag(self) -> str:
        return f"soak-{self.number}"

    def piece(self, at: int) -> str:
        """Return one piece of the text, which no other place of any answer has."""
        text = f"{self.tag}.{at} "
        return text.rjust(BULKY, "~") if self.kind.bulky else text

    def text(self, pieces: int | None = None) -> str:
        """Return the first pieces of the text, or all."""
        return "".join(map(self.piece, range(self.kind.pieces if pieces is None else pieces)))


def told(text: Share, *words: str) -> Told:
    """Return what a client must be told."""
    return Told(frozenset(words), text)


_BROKEN: Final = ("upstream_unreachable", "upstream_truncated", "api_error")
_LATE: Final = ("upstream_timeout", "timeout_error")

TOLD: Final[Mapping[Fault, Told]] = {
    "none": told("all"),
    "late": told("all"),
    "garbage": told("all"),
    "cut at once": told("nothing", *_BROKEN),
    "cut after the head": told("nothing", *_BROKEN),
    "cut midway": told("beginning", *_BROKEN),
    "close midway": told("half", "upstream_truncated", "api_error"),
    "half a chunk": told("half", "upstream_truncated", "api_error"),
    "stall at once": told("nothing", *_LATE),
    "stall after the head": told("nothing", *_LATE),
    "stall midway": told("half", *_LATE),
    "error midway": told("half", "injected_code", "api_error"),
    "429": told("nothing", "rate_limit_exceeded", "rate_limit_error"),
    "500": told("nothing", "upstream_error", "api_error"),
    "503": told("nothing", "upstream_overloaded", "overloaded_error"),
}
"""By the codes of chats and of Responses, and by the types of Messages."""
