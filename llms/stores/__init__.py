"""Floor 2: where accounts, responses, shared streams and answers are kept.

`base.py`, `responses.py`, `streams.py` and `answers.py` are the seams, one file a kind; the functions here choose.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llms.config.model import Responses
    from llms.stores.answers import AnswerStore
    from llms.stores.base import UsageStore
    from llms.stores.responses import ResponseStore
    from llms.stores.sqlite_responses import SqliteResponses
    from llms.stores.streams import StreamStore

_FILE: Final = "usage.sqlite3"
_RESPONSES: Final = "responses.sqlite3"


def open_usage_store(place: str, *, data_dir: Path) -> UsageStore:
    """Return the store of `stores.usage`: "sqlite" (in the data directory), "sqlite:///PATH" or "none"."""
    if place == "none":
        from llms.stores.base import NoUsage

        return NoUsage()
    from llms.stores.sqlite import SqliteUsage

    path = Path(place.removeprefix("sqlite:///")) if place.startswith("sqlite:///") else data_dir / _FILE
    return SqliteUsage(path.expanduser())


def open_stream_store(place: str) -> StreamStore | None:
    """Return the store of `stores.state`: a Redis by its address; None where streams stay in this process."""
    if place == "memory":
        return None
    from llms.stores.redis_streams import RedisStreams

    return RedisStreams(place)


def open_answer_store(place: str, *, clock: Callable[[], float]) -> AnswerStore:
    """Return the store of `stores.state` for whole answers: a Redis by its address, or this process's memory."""
    if place == "memory":
        from llms.stores.answers import MemoryAnswers

        return MemoryAnswers(clock=clock)
    from llms.stores.redis_answers import RedisAnswers

    return RedisAnswers(place)


@asynccontextmanager
async def open_response_store(
    bounds: Callable[[], Responses], *, data_dir: Path, now: Callable[[], float] = time.time
) -> AsyncGenerator[Callable[[], ResponseStore | None], None]:
    """Lend what returns the keeper of responses, None for nothing; made when it is first asked for.

    `bounds` are asked for whenever they count, but for `store`, which holds from the start.
    """
    if not bounds().store:
        yield lambda: None
        return
    made: list[SqliteResponses] = []

    def store() -> ResponseStore:
        if not made:
            from llms.stores.sqlite_responses import SqliteResponses

            made.append(SqliteResponses(data_dir / _RESPONSES, bounds=bounds, now=now, boot=secrets.token_hex(8)))
        return made[0]

    try:
        yield store
    finally:
        for one in made:
            await one.close()
