"""Two proxies for each module; cases are played on a loop of its own, so that hypothesis can play them, too."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack

import pytest

from tests.proxy import Runner
from tests.server.differential.asking import BOUNDS, KEYED, ROWS
from tests.server.differential.pair import Case, Outcome, Pair, both

Play = Callable[[Case], tuple[Outcome, Outcome]]


@pytest.fixture(scope="module")
def playing() -> Generator[tuple[Pair, Play], None, None]:
    """Return both proxies, which ask for no key, and what plays cases to them."""
    yield from _playing(ROWS)


@pytest.fixture(scope="module")
def play(playing: tuple[Pair, Play]) -> Play:
    """Play a case to two proxies that ask for no key; return what came of it with the fast path, and without."""
    return playing[1]


@pytest.fixture(scope="module")
def play_keyed() -> Generator[Play, None, None]:
    """Do what `play` does where clients need a key."""
    for _, play in _playing(ROWS + KEYED):
        yield play


def _playing(rows: str) -> Generator[tuple[Pair, Play], None, None]:
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        patch.setattr(sys.modules[Runner.__module__], "_LINGER_SECONDS", 0.3)
        servers = AsyncExitStack()
        pair = runner.run(servers.enter_async_context(both(rows, server=BOUNDS)))
        try:
            yield pair, lambda case: runner.run(pair.play(case))
        finally:
            runner.run(servers.aclose())
