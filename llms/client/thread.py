"""An event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar, final

T = TypeVar("T")
Last = Callable[[], Awaitable[None]]
"""What is done on the loop before it ends."""

_CLEANING_UP: Final = 10.0
"""Seconds in which cancelled work has to end."""


@final
class LoopThread:
    """Run work for threads that block; it ends when nobody holds it any more, and with the program."""

    def __init__(self, last: Last) -> None:
        """Start it."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llms client", daemon=True)
        self._end = weakref.finalize(self, _end, self._loop, self._thread, last)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for some work and return what it gives; Ctrl-C cancels it.

        RuntimeError after `stop`, and on the thread itself, which would wait for ever.
        """
        is_inside = threading.current_thread() is self._thread
        if is_inside or not self._end.alive:
            work.close()
            raise RuntimeError("a callback may not call its own client" if is_inside else "the client is closed")
        ended = threading.Event()
        future = asyncio.run_coroutine_threadsafe(_ending(work, ended), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            ended.wait(_CLEANING_UP)
            raise

    def stop(self) -> None:
        """Cancel what runs, do the last thing, and end the thread; does nothing the second time."""
        self._end()


async def _ending(work: Coroutine[Any, Any, T], ended: threading.Event) -> T:
    try:
        return await work
    finally:
        ended.set()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, last: Last) -> None:
    if threading.current_thread() is thread:
        loop.stop()  # the last one who held it was work of its own, which cannot wait for itself
        return
    asyncio.run_coroutine_threadsafe(_end_others(last), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _end_others(last: Last) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last()
