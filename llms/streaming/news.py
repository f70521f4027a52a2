"""A call that goes out to all who wait for the next thing to happen."""

from __future__ import annotations

import asyncio
from typing import final


@final
class News:
    """Wake everybody who waits, once; nobody keeps a place in line for what comes after."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait until something happens; look first, as what happened before is not told again."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def tell(self) -> None:
        """Wake all who wait by now."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
