"""Events that nothing follows, in one piece.

Small objects share their memory with whatever else is small, and what lives longer keeps all of it from going back to
the system. One large object has its memory to itself.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import final, overload


@final
class Packed(Sequence[bytes]):
    """A sequence of events that makes each of them anew when it is asked for."""

    __slots__ = ("_data", "_ends")

    def __init__(self, events: Sequence[bytes]) -> None:
        """Take a copy."""
        self._data = b"".join(events)
        self._ends = array("Q", accumulate(map(len, events)))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self[index] for index in range(*at.indices(len(self)))]
        index = range(len(self._ends))[at]
        return self._data[self._ends[index - 1] if index else 0 : self._ends[index]]
