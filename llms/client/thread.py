"""An event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar, final

T = TypeVar("T")

_CLEANING_UP: Final = 10.0
"""Seconds in which cancelled work has to end."""


@final
class LoopThread:
    """Run work for threads that block; the thread ends with the program at the latest."""

    def __init__(self) -> None:
        """Start it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llms client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for some work and return what it gives; Ctrl-C cancels it. RuntimeError after `stop`."""
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("the client is closed")
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_ending(work, ended), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            ended.wait(_CLEANING_UP)
            raise

    def stop(self, last: Callable[[], Awaitable[None]]) -> None:
        """Cancel what runs, do the last thing, and end the thread; does nothing the second time."""
        if self._loop.is_closed():
            return
        self.run(_end_others(last))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _ending(work: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await work
    finally:
        ended.set()


async def _end_others(last: Callable[[], Awaitable[None]]) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await last()
