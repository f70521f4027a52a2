"""The requests under way, so that a shutdown, or their owner, can end them: their tasks are cancelled, and told why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, final

from llms.protocol.errors import LlmsError

if TYPE_CHECKING:
    from llms.gateway.inline import Inline

Task = asyncio.Task[Any]


@final
class Running:
    """Tell our own cancellations from those of clients that left."""

    __slots__ = ("_error", "_errors", "_inline", "_loop", "_tasks")

    def __init__(self) -> None:
        self._inline: dict[Inline, str] = {}
        """Requests without a task, or whose task has not begun."""
        self._tasks: dict[Task, str] = {}
        self._error: LlmsError | None = None
        self._errors: dict[Task, LlmsError] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._tasks) + len(self._inline)

    def add(self, inline: Inline, request_id: str) -> None:
        """Count a request in that is answered without a task."""
        self._inline[inline] = request_id

    def remove(self, inline: Inline) -> None:
        """Count it out: it is over, or a task goes on with it."""
        self._inline.pop(inline, None)

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
        if self._inline:
            self._give_tasks(self._inline, then=self._end_tasks)
        self._end_tasks()

    def _end_tasks(self) -> None:
        for task in self._tasks:
            if not task.cancelling():
                task.cancel()

    def cancel(self, request_id: str, error: LlmsError) -> bool:
        """Have the requests with an id end with an error; tell whether there are any."""
        inline = [inline for inline, own in self._inline.items() if own == request_id]
        if inline:
            self._give_tasks(inline, then=partial(self._cancel_tasks, request_id, error))
        return self._cancel_tasks(request_id, error) or bool(inline)

    def _cancel_tasks(self, request_id: str, error: LlmsError) -> bool:
        found = [task for task, own in self._tasks.items() if own == request_id]
        for task in found:
            if task not in self._errors:
                self._errors[task] = error
                task.cancel()
        return bool(found)

    def _give_tasks(self, inline: Iterable[Inline], *, then: Callable[[], object]) -> None:
        """Have tasks go on with requests that have none; `then` is called when they have begun."""
        for each in tuple(inline):
            each.cancel()
        asyncio.get_running_loop().call_soon(then)

    def ended(self, task: Task) -> LlmsError | None:
        """Return why a CancelledError just caught was ours; None when the client left."""
        error = self._errors.get(task, self._error)
        return error if error is not None and task.uncancel() == 0 else None
