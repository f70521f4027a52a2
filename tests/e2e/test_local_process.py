"""A real server with a local model in a child process: whatever ends, the right ones end with it, and no others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.process import Process, children_of, running
from tests.providers.llama_cpp.children import is_running, is_there, until
from tests.proxy import RawClient, chat

pytestmark = pytest.mark.local

CONFIG = "providers: {local: {type: llama_cpp}}"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Process]:
    async with running(CONFIG, tmp_path) as process:
        yield process


def _asking(question: str, **fields: object) -> dict[str, object]:
    return {**chat(), "model": "demo", "messages": [{"role": "user", "content": question}], **fields}


async def _child_of(server: Process) -> int:
    """Have the model loaded and return its process."""
    reply = await server.ask(_asking("ping", stream=False))
    assert (reply.status, b"pong" in reply.body) == (200, True), reply.body
    [child] = children_of(server.process.pid)
    return child


async def _begun(server: Process, **fields: object) -> tuple[RawClient, bytes]:
    """Begin a long answer and return what came of it."""
    client = await server.client()
    await client.send(_asking("tell me a story", **fields))
    return client, await client.until(b'"content":"')


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_the_model_ends_with_the_server_and_not_before_its_requests(
    server: Process, ending: signal.Signals
) -> None:
    child = await _child_of(server)
    begun = [await _begun(server) for _ in range(3)]
    # As a terminal does, to the server and to its child alike.
    os.killpg(server.process.pid, ending)
    for client, seen in begun:
        assert b"[DONE]" in (seen if b"[DONE]" in seen else await client.until(b"[DONE]"))
        client.close()
    assert await server.ended() == 0
    assert not is_there(child)
    assert "Traceback" not in server.log


async def test_no_model_outlives_a_server_that_is_killed(server: Process) -> None:
    child = await _child_of(server)
    server.process.kill()
    await server.ended()
    await until(lambda: not is_running(child))


async def test_a_model_that_dies_takes_no_server_with_it_and_its_answer_ends_with_an_error(server: Process) -> None:
    endings = set()
    for deaths in range(1, 6):
        child = await _child_of(server)
        client, seen = await _begun(server, temperature=5, max_tokens=900, logit_bias={"2": -100, "3": -100})
        os.kill(child, signal.SIGKILL)
        async with asyncio.timeout(60):
            while not (b"[DONE]" in seen or b'"error"' in seen) and (more := await client.reader.read(65536)):
                seen += more
        endings.add(b'"code":"upstream_unavailable"' in seen and b"is gone" in seen and b"[DONE]" not in seen)
        client.close()
        await _child_of(server)
        await server.logged("local model died", deaths)
    assert True in endings, "no answer was short enough to be whole before its model died"
    assert "Traceback" not in server.log


async def test_a_model_that_dies_before_its_first_word_is_tried_again(server: Process) -> None:
    child = await _child_of(server)
    os.kill(child, signal.SIGSTOP)
    asking = asyncio.ensure_future(server.ask(_asking("ping", stream=False)))
    done, _ = await asyncio.wait([asking], timeout=0.3)
    assert not done
    os.kill(child, signal.SIGKILL)
    reply = await asking
    assert (reply.status, b"pong" in reply.body) == (200, True), reply.body
