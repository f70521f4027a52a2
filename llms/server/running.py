"""The requests under way, so that a shutdown, or their owner, can end them: their tasks are cancelled, and told why."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, final

from llms.protocol.errors import LlmsError

Task = asyncio.Task[Any]


@final
class Running:
    """Tell our own cancellations from those of clients that left."""

    __slots__ = ("_error", "_errors", "_loop", "_tasks")

    def __init__(self) -> None:
        self._tasks: dict[Task, str] = {}
        self._error: LlmsError | None = None
        self._errors: dict[Task, LlmsError] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    @contextmanager
    def request(self, request_id: str = "") -> Generator[Task, None, None]:
        """Count the current task in for as long as it works on a request; raise the LlmsError that ended it."""
        task = self.enter(request_id)
        try:
            with self.told(task):
                yield task
        finally:
            self.leave(task)

    @contextmanager
    def told(self, task: Task) -> Generator[None, None, None]:
        """Raise the LlmsError in place of a cancellation that was ours, and leave that of a client as it is."""
        try:
            yield
        except asyncio.CancelledError:
            error = self.ended(task)
            if error is None:
                raise
            raise error from None

    def enter(self, request_id: str = "") -> Task:
        """Count the current task in, and return it; with the id of its request, it can be cancelled alone."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._tasks[task] = request_id
        return task

    def leave(self, task: Task) -> None:
        """Count a task out."""
        self._tasks.pop(task, None)
        if self._errors:
            self._errors.pop(task, None)

    def end(self, error: LlmsError) -> None:
        """Have every request end with an error."""
        self._error = error
        for task in self._tasks:
            task.cancel()

    def cancel(self, request_id: str, error: LlmsError) -> bool:
        """Have the requests with an id end with an error; tell whether there are any."""
        found = [task for task, own in self._tasks.items() if own == request_id]
        for task in found:
            if task not in self._errors:
                self._errors[task] = error
                task.cancel()
        return bool(found)

    def ended(self, task: Task) -> LlmsError | None:
        """Return why a CancelledError just caught was ours; None when the client left."""
        error = self._errors.get(task, self._error)
        return error if error is not None and task.uncancel() == 0 else None
