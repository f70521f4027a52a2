"""How far one answer is: a board on which whoever knows something writes, and from which clients that asked are told.

It exists only for clients that opted in; all others cost one look at None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypedDict, final

State = Literal["queued", "loading", "thinking", "tool", "writing"]

_PERIOD: Final = 1.0
"""Seconds between two reports."""
_SHORTEST: Final = 0.1
"""Seconds of writing before its speed means anything."""


class Place(NamedTuple):
    """Where a request stands in a line: 1 is next; `seconds` to wait as far as can be expected, None while unknown."""

    position: int
    seconds: float | None


class Tool(TypedDict):
    """A tool at work: `writing` while the model writes the call, `ready` when the call is whole."""

    name: str
    status: str


class Figures(TypedDict, total=False):
    """The object `llms` of a chunk; what is unknown is absent."""

    state: State
    tokens: int
    tokens_per_second: float
    ttft_ms: int
    elapsed_ms: int
    max_tokens: int
    percent: float
    eta_ms: int
    queue_position: int
    tool: Tool
    message: str
    warning: str


@final
class Progress:
    """What is known of one answer under way. All times are seconds of the given monotonic clock."""

    __slots__ = (
        "_clock", "_first", "_limit", "_message", "_opening", "_percent", "_place", "_start", "_state", "_tokens",
        "_told", "_told_state", "_tool", "_warning", "_wrote",
    )  # fmt: skip

    def __init__(self, *, clock: Callable[[], float], limit: int | None = None) -> None:
        """Begin now; `limit` is how many tokens the answer may have, where the client said so."""
        self._clock = clock
        self._start = clock()
        self._limit = limit
        self._state: State | None = None
        self._percent: float | None = None
        self._place: Callable[[], Place] | None = None
        self._tool: Tool | None = None
        self._message = self._warning = ""
        self._tokens = self._opening = 0
        self._first: float | None = None
        self._wrote: float | None = None
        self._told: float | None = None
        self._told_state: State | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any], *, clock: Callable[[], float]) -> Progress:
        """Make the board of a request by its body."""
        asked = body.get("max_completion_tokens") or body.get("max_tokens")
        choices = body.get("n") or 1
        return cls(clock=clock, limit=asked * choices if isinstance(asked, int) else None)

    def state(self, state: State | None, *, percent: float | None = None) -> None:
        """Say what is being done, None for nothing that has a word; `percent` of it where that is known."""
        self._percent = percent
        self._place = None
        self._state = state

    def queue(self, place: Callable[[], Place]) -> None:
        """Say that the request waits in a line; its place is asked for whenever somebody looks."""
        self.state("queued")
        self._place = place

    def tool(self, name: str, status: str) -> None:
        """Say which tool is at work, and how far it is."""
        self.state("tool")
        self._tool = {"name": name, "status": status}

    def say(self, message: str) -> None:
        """Tell the client something, once."""
        self._message = message

    def warn(self, warning: str) -> None:
        """Tell the client of something that went wrong without ending the answer, once."""
        self._warning = warning

    def begin(self) -> None:
        """Note the first chunk: whatever was waited for is over."""
        self._first = self._clock()
        self.state(None)

    def add(self, tokens: int) -> None:
        """Count tokens that came; a piece of text counts as one until the upstream says better."""
        self._tokens += tokens
        if self._wrote is None and tokens:
            self._wrote = self._clock()
            self._opening = tokens

    def used(self, tokens: int) -> None:
        """Take the upstream's own count of all tokens so far."""
        self._tokens = tokens or self._tokens

    @property
    def is_due(self) -> bool:
        """Tell whether the last report is old enough for another one."""
        return self._told is None or self._clock() - self._told >= _PERIOD

    @property
    def has_news(self) -> bool:
        """Tell whether the state is another one than was told: that is worth telling at once."""
        return self._state != self._told_state

    @property
    def elapsed(self) -> float:
        """Return the seconds since the request came."""
        return self._clock() - self._start

    def report(self, *, final: bool = False) -> Figures:
        """Return what is known now; messages are forgotten once told. `final` is for a whole answer."""
        self._told = now = self._clock()
        self._told_state = self._state
        figures: Figures = {"elapsed_ms": _ms(now - self._start)}
        if self._state is not None:
            figures["state"] = self._state
        if self._first is not None:
            figures["ttft_ms"] = _ms(self._first - self._start)
        if self._state == "tool" and self._tool is not None:
            figures["tool"] = self._tool
        self._add_words(figures)
        self._add_tokens(figures, now)
        self._add_wait(figures)
        if final:
            figures["percent"], figures["eta_ms"] = 100.0, 0
        return figures

    def _add_words(self, figures: Figures) -> None:
        if self._message:
            figures["message"], self._message = self._message, ""
        if self._warning:
            figures["warning"], self._warning = self._warning, ""

    def _add_tokens(self, figures: Figures, now: float) -> None:
        """Add what follows from the tokens so far; percent and ETA are those of the longest answer allowed."""
        limit, tokens = self._limit, self._tokens
        if limit is not None:
            figures["max_tokens"] = limit
        if not tokens:
            return
        figures["tokens"] = tokens
        seconds = now - self._wrote if self._wrote is not None else 0.0
        speed = (tokens - self._opening) / seconds if seconds >= _SHORTEST else 0.0
        if speed > 0:
            figures["tokens_per_second"] = round(speed, 1)
        if limit:
            figures["percent"] = round(min(100.0, 100.0 * tokens / limit), 1)
            if speed > 0:
                figures["eta_ms"] = _ms(max(0, limit - tokens) / speed)

    def _add_wait(self, figures: Figures) -> None:
        if self._percent is not None:
            figures["percent"] = round(self._percent, 1)
        if self._place is not None:
            place = self._place()
            figures["queue_position"] = place.position
            if place.seconds is not None:
                figures["eta_ms"] = _ms(place.seconds)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
