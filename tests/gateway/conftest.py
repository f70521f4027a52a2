"""What several tests of short cuts look at."""

from __future__ import annotations

import pytest

from llms.server.event_stream import EventStream


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what was written by those who wake up."""
    found: list[bytes] = []
    write = EventStream.write

    async def noting(events: EventStream, data: bytes) -> None:
        found.append(data)
        await write(events, data)

    monkeypatch.setattr(EventStream, "write", noting)
    return found
