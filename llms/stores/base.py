"""What a usage store is: rows go in without waiting, and are there to be read a moment later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, final

from llms.stores.stream_report import StreamFigures, StreamReport
from llms.stores.usage_report import Query, Report


class UsageRow(NamedTuple):
    """One request that ended, as accounting sees it. Never a word of the prompt or the answer, never a key.

    A tuple and no dataclass, because one is made for each request and the database takes it as it is: the fields of
    `RequestEnded` up to its usage, then those of `Usage`. Text is valid Unicode; times are in seconds.
    """

    request_id: str
    route: str
    key_id: str
    asked_model: str
    provider: str
    model: str
    stream: bool
    status: int
    outcome: str
    error_code: str | None
    window: str | None
    attempts: int
    retries: int
    fallbacks: int
    finish_reason: str | None
    chunks: int
    skipped: int
    started: float
    """Unix time."""
    queued: float
    ttft: float | None
    duration: float
    upstream_request_id: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_source: str


class UsageUnreadable(Exception):
    """The rows cannot be read; the message says why."""


class UsageTooMuch(UsageUnreadable):
    """There are more rows than can be read in the time that a reader has."""


class UsageStore(Protocol):
    """Keep one row for each request."""

    def add(self, row: UsageRow) -> None:
        """Take a row; never waits and never raises."""

    async def recent(self, limit: int = 100) -> list[UsageRow]:
        """Return the rows stored last, the newest first; empty where nothing can be read."""

    async def page(self, *, limit: int, before: int | None = None) -> list[tuple[int, UsageRow]]:
        """Return rows with their numbers, the newest first, of those below `before`; raise UsageUnreadable."""

    async def models(self, query: Query) -> list[tuple[str, str]]:
        """Return the models that were asked in a time: provider and upstream's id; raise UsageUnreadable."""

    async def report(self, query: Query) -> Report:
        """Return what the rows of a time come to; raise UsageUnreadable."""

    async def streams(self, *, end: float, spans: Sequence[float], steps: tuple[float, float]) -> StreamReport:
        """Return how streams went, as `stream_report` does; raise UsageUnreadable."""

    async def close(self) -> None:
        """Store what was taken and let go of the files; waits some seconds at most."""


@final
class NoUsage:
    """The store of those who want none."""

    def add(self, row: UsageRow) -> None:
        """Forget the row."""

    async def recent(self, limit: int = 100) -> list[UsageRow]:
        """Return nothing."""
        return []

    async def page(self, *, limit: int, before: int | None = None) -> list[tuple[int, UsageRow]]:
        """Return nothing."""
        return []

    async def models(self, query: Query) -> list[tuple[str, str]]:
        """Return none."""
        return []

    async def report(self, query: Query) -> Report:
        """Return that there was nothing."""
        return Report()

    async def streams(self, *, end: float, spans: Sequence[float], steps: tuple[float, float]) -> StreamReport:
        """Return that there were none."""
        return StreamReport(dict.fromkeys(spans, StreamFigures()))

    async def close(self) -> None:
        """Have nothing to do."""


_: type[UsageStore] = NoUsage
