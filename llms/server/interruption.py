"""How a running request is ended from outside: its task is cancelled, and told that it was us."""

from __future__ import annotations

import asyncio
from typing import final

from llms.protocol.errors import LlmsError


@final
class Interruption:
    """Tell a cancellation of ours from that of a client that left. Made by the task that it may end."""

    __slots__ = ("_error", "_task")

    def __init__(self) -> None:
        """Take the current task."""
        self._task = asyncio.current_task()
        self._error: LlmsError | None = None

    def cause(self, error: LlmsError) -> None:
        """Have the request end with an error."""
        if self._error is None and self._task is not None:
            self._error = error
            self._task.cancel()

    def caught(self) -> LlmsError | None:
        """Return why a CancelledError just caught was ours; None when the client left."""
        if self._error is None or self._task is None:
            return None
        return None if self._task.uncancel() > 0 else self._error

    def close(self) -> None:
        """End nothing any more."""
        self._task = None
