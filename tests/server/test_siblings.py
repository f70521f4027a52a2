"""What a worker makes of siblings that are gone, that hang, or that are about to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from llms.protocol.errors import LlmsError
from llms.server.access import Access
from llms.server.siblings import Siblings
from llms.stores.crew import Crew
from llms.tasks import Tasks

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def does_not_know(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    await reader.read()
    writer.close()


async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    await reader.read()
    writer.close()


@asynccontextmanager
async def asked_of(folder: Path, *answers: Answer) -> AsyncGenerator[web.StreamResponse | None, None]:
    """Ask siblings that answer so; one more has no socket."""
    siblings = Siblings(Crew(folder, 0, len(answers) + 2), tasks=Tasks())
    servers = [
        await asyncio.start_unix_server(answer, folder / f"{place}.sock") for place, answer in enumerate(answers, 1)
    ]
    try:
        yield await siblings.pass_on(make_mocked_request("GET", "/v1/streams/x"), Access("id"), {404})
    finally:
        await siblings.close()
        for server in servers:
            server.close()


async def test_those_that_do_not_know_or_are_gone_know_nothing(tmp_path: Path) -> None:
    async with asked_of(tmp_path, does_not_know, leaves) as found:
        assert found is None


@pytest.mark.parametrize(("silent", "code"), [(says_nothing, "upstream_unavailable"), (ends, "server_stopping")])
async def test_one_that_may_know_but_does_not_say_is_told_of_in_time(
    silent: Answer, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llms.server.siblings._HEAD", 0.2)
    with pytest.raises(LlmsError) as refused:
        async with asyncio.timeout(10), asked_of(tmp_path, silent, does_not_know):
            pass
    assert (refused.value.http_status, refused.value.code) == (503, code)
