"""Addresses of upstreams by name: looked up once for all who wait, and kept for a while.

A lookup occupies a thread for as long as it hangs, whoever has given up on it: one a name, or a name that hangs
would leave no thread to the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable
from typing import Final, final

from llms.tasks import Tasks

_FRESH_SECONDS: Final = 60.0
_STALE_SECONDS: Final = 600.0
"""How long an address is used while a newer one is looked up."""

Place = tuple[str, int]
Addresses = list[tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]]


@final
class Names:
    """Know where upstreams are."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Take a clock of monotonic seconds; nothing is looked up."""
        self._clock = clock
        self._tasks = Tasks()
        self._known: dict[Place, tuple[float, Addresses]] = {}
        self._lookups: dict[Place, asyncio.Task[Addresses | OSError | UnicodeError]] = {}

    async def addresses(self, host: str, port: int) -> Addresses:
        """Return where a host is; raise OSError (socket.gaierror) or UnicodeError when there is no such host."""
        place = (host, port)
        if _is_number(host):
            return _numeric(place)
        known = self._known.get(place)
        age = self._clock() - known[0] if known else math.inf
        if known and age < _FRESH_SECONDS:
            return known[1]
        lookup = self._lookups.get(place)
        if lookup is None:
            lookup = self._lookups[place] = self._tasks.spawn(self._look_up(place), name="look up a name")
        if known and age < _STALE_SECONDS:
            return known[1]
        found = await asyncio.shield(lookup)
        if isinstance(found, Exception):
            raise type(found)(*found.args)
        return found

    def forget(self, host: str, port: int) -> None:
        """Look a host up again next time: nobody could be reached there."""
        self._known.pop((host, port), None)

    async def close(self) -> None:
        """Wait for no lookup any more."""
        await self._tasks.close()
        self._lookups.clear()

    async def _look_up(self, place: Place) -> Addresses | OSError | UnicodeError:
        """Ask the system; return its failure instead of raising it, for it is told to those who wait."""
        host, port = place
        flags = 0 if host == "localhost" else socket.AI_ADDRCONFIG
        try:
            found: Addresses = await asyncio.get_running_loop().getaddrinfo(  # type: ignore[assignment]
                host, port, type=socket.SOCK_STREAM, flags=flags
            )
        except (OSError, UnicodeError) as failure:
            return failure
        finally:
            self._lookups.pop(place, None)
        self._known[place] = (self._clock(), found)
        return found


def _is_number(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return True
    return False


def _numeric(place: Place) -> Addresses:
    host, port = place
    return socket.getaddrinfo(  # type: ignore[return-value]
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
