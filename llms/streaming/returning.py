"""Which resumable streams were taken up again, and how they ended: of the newest of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, final

_MOST: Final = 20_000
"""Streams that are remembered."""


@final
@dataclass(slots=True)
class Record:
    """What is remembered of one resumable stream."""

    began: float
    returned: bool = False
    """A client took it up again."""
    completed: bool | None = None
    """It ended whole; None while it runs."""


class Rates(NamedTuple):
    """Shares of some streams, from 0 to 1; None of none."""

    reconnection: float | None
    """Streams that a client took up again."""
    recovery: float | None
    """Of those, the ones that came to a whole end."""


@final
class Returning:
    """Remember streams and work out rates."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a monotonic clock, in seconds."""
        self._clock = clock
        self._records: deque[Record] = deque(maxlen=_MOST)

    def begin(self) -> Record:
        """Remember a stream that begins."""
        record = Record(self._clock())
        self._records.append(record)
        return record

    def rates(self, seconds: float) -> Rates:
        """Return the rates of the streams that began in the last seconds."""
        since = self._clock() - seconds
        recent = [record for record in self._records if record.began >= since]
        ended = [record.completed for record in recent if record.returned and record.completed is not None]
        returned = sum(record.returned for record in recent)
        return Rates(returned / len(recent) if recent else None, sum(ended) / len(ended) if ended else None)
