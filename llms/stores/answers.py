"""Where whole answers are kept for requests that are asked again: the seam, and the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, final

_COST: Final = 300
"""Bytes that an answer takes in memory beside its own."""


class KeptAnswer(NamedTuple):
    """One whole answer."""

    provider: str
    model: str
    """The upstream's model id."""
    body: bytes
    """The completion as JSON, or the answer in the client's dialect as it came."""
    native: bytes = b""
    """What was noted of an answer in the client's dialect, as JSON; empty for a completion."""

    @property
    def size(self) -> int:
        """Return the bytes that it takes."""
        return _COST + len(self.body) + len(self.native)


class AnswerStore(Protocol):
    """Keep answers on shelves, one for each model that keeps any. A store that is lost keeps and finds nothing."""

    async def get(self, shelf: str, key: str) -> KeptAnswer | None:
        """Return an answer that is not too old; None where there is none."""

    async def put(self, shelf: str, key: str, answer: KeptAnswer, *, ttl: float, max_size: int) -> None:
        """Keep an answer for `ttl` seconds; others go where the shelf has more than `max_size` bytes then."""

    async def close(self) -> None:
        """Let go of what is held open."""


class _Shelf:
    __slots__ = ("answers", "size")

    def __init__(self) -> None:
        self.answers: OrderedDict[str, tuple[float, KeptAnswer]] = OrderedDict()
        self.size = 0

    def take(self, key: str) -> None:
        found = self.answers.pop(key, None)
        self.size -= 0 if found is None else found[1].size


@final
class MemoryAnswers:
    """Keep answers in this process; those that were not asked for the longest time go first."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Take a monotonic clock, in seconds."""
        self._clock = clock
        self._shelves: dict[str, _Shelf] = {}

    async def get(self, shelf: str, key: str) -> KeptAnswer | None:
        """Return an answer that is not too old; None where there is none."""
        held = self._shelves.get(shelf)
        if held is None or key not in held.answers:
            return None
        until, answer = held.answers[key]
        if until <= self._clock():
            held.take(key)
            return None
        held.answers.move_to_end(key)
        return answer

    async def put(self, shelf: str, key: str, answer: KeptAnswer, *, ttl: float, max_size: int) -> None:
        """Keep an answer for `ttl` seconds; others go where the shelf has more than `max_size` bytes then."""
        if answer.size > max_size:
            return
        held = self._shelves.setdefault(shelf, _Shelf())
        held.take(key)
        held.answers[key] = self._clock() + ttl, answer
        held.size += answer.size
        while held.size > max_size:
            held.take(next(iter(held.answers)))

    async def close(self) -> None:
        """Forget everything."""
        self._shelves.clear()


_: type[AnswerStore] = MemoryAnswers
