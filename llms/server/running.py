"""The requests under way, so that a shutdown can end them: their tasks are cancelled, and told that it was us."""

from __future__ import annotations

import asyncio
from typing import Any, final

from llms.protocol.errors import LlmsError

Task = asyncio.Task[Any]


@final
class Running:
    """Tell our own cancellations from those of clients that left."""

    __slots__ = ("_error", "_loop", "_tasks")

    def __init__(self) -> None:
        self._tasks: set[Task] = set()
        self._error: LlmsError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def enter(self) -> Task:
        """Count the current task in, and return it."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._tasks.add(task)
        return task

    def leave(self, task: Task) -> None:
        """Count a task out."""
        self._tasks.discard(task)

    def end(self, error: LlmsError) -> None:
        """Have every request end with an error."""
        self._error = error
        for task in self._tasks:
            task.cancel()

    def ended(self, task: Task) -> LlmsError | None:
        """Return why a CancelledError just caught was ours; None when the client left."""
        return self._error if self._error is not None and task.uncancel() == 0 else None
