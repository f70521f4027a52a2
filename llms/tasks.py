"""The only place that creates tasks: each is kept, named, and its failure reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

_log = structlog.get_logger()


def count() -> int:
    """Return how many tasks stand in the running event loop, whoever made them."""
    return len(asyncio.all_tasks())


class Tasks:
    """The background tasks of one owner; `close` ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Start a task that outlives its caller's frame; an exception in it is logged, not lost."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def every(
        self, seconds: Callable[[], float], work: Callable[[], Coroutine[Any, Any, Any]], *, name: str
    ) -> asyncio.Task[Any]:
        """Run `work` again and again with `seconds()` between the end of one run and the start of the next."""
        return self.spawn(_repeat(seconds, work), name=name)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            with contextlib.suppress(asyncio.CancelledError):
                task.result()  # takes the error out of the task: its frames may hold the task, too
        elif (failure := task.exception()) is not None:
            _log.error("task failed", task=task.get_name(), exc_info=failure)

    async def close(self) -> None:
        """Cancel every task and wait for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(seconds: Callable[[], float], work: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    while True:
        await asyncio.sleep(seconds())
        try:
            await work()
        except Exception:
            _log.exception("a repeated duty failed; it goes on")
