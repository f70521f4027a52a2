"""What every provider serves, asked when somebody wants to know and what was told is old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, final

import structlog

from llms.gateway.fleet import Fleet, Member
from llms.protocol.errors import LlmsError
from llms.tasks import Tasks

_log = structlog.get_logger()
FRESH_SECONDS: Final = 60.0
"""How long a list counts as new."""
RETRY_SECONDS: Final = 15.0
"""How long a provider that could not tell is left alone."""
PATIENCE: Final = 5.0


@final
class Listing:
    """Ask providers for their models, each at most once at a time."""

    def __init__(self, *, fleet: Callable[[], Fleet], clock: Callable[[], float], tasks: Tasks) -> None:
        """Take the fleet in service; `tasks` keeps a round that its first caller leaves."""
        self._fleet = fleet
        self._clock = clock
        self._tasks = tasks
        self._running: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Ask those whose list is unknown or old; return when all have answered or failed."""
        if self._running is not None and not self._running.done():
            await asyncio.shield(self._running)
        due = [member for member in self._fleet().members.values() if self._due(member)]
        if not due:
            return
        if self._running is None or self._running.done():
            self._running = self._tasks.spawn(self._ask(due), name="list models")
        await asyncio.shield(self._running)

    def _due(self, member: Member) -> bool:
        if member.asked_at is None:
            return True
        age = self._clock() - member.asked_at
        return age > (FRESH_SECONDS if member.listed is not None and not member.problem else RETRY_SECONDS)

    async def _ask(self, members: list[Member]) -> None:
        await asyncio.gather(*(self.ask(member) for member in members))

    async def ask(self, member: Member, patience: float = PATIENCE) -> LlmsError | None:
        """Ask one of them now, for at most `patience` seconds; return what went wrong."""
        failure: LlmsError | None = None
        try:
            listed = await member.list(patience=patience)
        except LlmsError as error:
            failure = error
            member.problem = error.message
            _log.info("provider does not list its models", provider=member.row.name, error=error.message)
        else:
            member.listed = listed
            member.problem = ""
            fleet = self._fleet()
            if fleet.members.get(member.row.name) is member:
                fleet.catalog.set_list(member.row.name, listed)
        member.asked_at = self._clock()
        return failure
