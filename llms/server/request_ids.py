"""Names for requests whose client gave none: unique over processes and restarts, cheap to make."""

from __future__ import annotations

import itertools
import secrets
from typing import final


@final
class RequestIds:
    """A random prefix for this process and a count. Make it after forking."""

    __slots__ = ("_count", "_prefix")

    def __init__(self) -> None:
        self._prefix = f"req_{secrets.token_hex(4)}"
        self._count = itertools.count(1)

    def new(self) -> str:
        """Return the next id."""
        return f"{self._prefix}{next(self._count):08x}"
