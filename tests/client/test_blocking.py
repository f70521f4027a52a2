"""The client without an event loop: the same answers, and nothing left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import Callable
from typing import TypeVar

import pytest

from llms.client import BlockingStream, Client, NotFound, Patience, StreamFailed, StreamLost
from llms.testing.fake_upstream import FakeUpstream, stall, text_stream, whole
from tests.client.fault_proxy import CUT, FaultProxy
from tests.proxy import Proxy
from tests.vectors import embedder, vector

LONG = "Grüße aus Köln 🎈 " * 40
T = TypeVar("T")


async def blocking(faults: FaultProxy, patience: Patience, work: Callable[[Client], T]) -> T:
    """Do some work with a client in a thread, beside the loop that the server runs on."""

    def run() -> T:
        with Client(faults.url, model="m", patience=patience) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def test_a_stream_over_lost_connections(faults: FaultProxy, patience: Patience, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG))
    faults.plan((CUT, 900), (CUT, 1500))

    def work(client: Client) -> tuple[str, int]:
        stream = client.chat_stream("hello")
        text = "".join(piece.text for piece in stream)
        assert (stream.text, stream.finish_reason) == (text, "stop")
        assert stream.usage is not None
        return text, stream.reconnects

    assert await blocking(faults, patience, work) == (LONG, 2)


async def test_everything_else(faults: FaultProxy, patience: Patience, upstream: FakeUpstream) -> None:
    upstream.script(whole("Grüße"), whole("Grüße"), text_stream("one two"), embedder())

    def work(client: Client) -> None:
        assert client.chat("hello").text == client.generate("hello") == "Grüße"
        assert "".join(piece.text for piece in client.generate_stream("hello")) == "one two"
        assert client.embed(["a"]) == [vector("a")]
        assert "m" in [model.id for model in client.models()]
        with pytest.raises(NotFound):
            client.cancel("nothing")

    await blocking(faults, patience, work)


@pytest.mark.parametrize("how", ["with", "close", "client", "dropped"])
async def test_leaving_early_stops_the_upstream(
    faults: FaultProxy, patience: Patience, upstream: FakeUpstream, how: str
) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))

    def work(client: Client) -> None:
        if how == "with":
            with client.chat_stream("hello") as stream:
                next(stream)
        elif how == "dropped":
            for _ in client.chat_stream("hello"):
                return
        else:
            kept.append(client.chat_stream("hello"))
            next(kept[0])
            if how == "close":
                kept[0].close()

    kept: list[BlockingStream] = []
    await blocking(faults, patience, work)
    await (await upstream.arrived()).gone()


async def test_cancelling_from_another_thread(faults: FaultProxy, patience: Patience, upstream: FakeUpstream) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))

    def work(client: Client) -> str:
        stream = client.chat_stream("hello")
        next(stream)
        other = threading.Thread(target=stream.cancel)
        other.start()
        with pytest.raises(StreamFailed) as failed:
            list(stream)
        other.join()
        return failed.value.code

    assert await blocking(faults, patience, work) == "cancelled"


async def test_a_callback_that_calls_its_client_is_refused(
    faults: FaultProxy, patience: Patience, upstream: FakeUpstream
) -> None:
    upstream.script(text_stream(LONG))

    def work(client: Client) -> None:
        with pytest.raises(RuntimeError, match="callback"):
            list(client.chat_stream("hello", progress=lambda told: print(client.generate("hello"))))

    await blocking(faults, patience, work)


PROGRAM = """
from llms import Client
client = Client("{url}", model="m")
stream = client.chat_stream("hello")
for chunk in stream:
    print(chunk.text, flush=True)
    if {leaves} and chunk.text:
        break
"""


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_program_that_ends_without_closing_anything(upstream: FakeUpstream, proxy: Proxy, leaves: bool) -> None:
    upstream.script(text_stream(LONG).first(4).then(stall()))
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.format(url=proxy.url, leaves=leaves), stdout=PIPE, stderr=PIPE
    )
    assert program.stdout is not None
    await program.stdout.readuntil(b"Gr")
    if not leaves:
        program.send_signal(signal.SIGINT)
    _, errors = await program.communicate()
    told = errors.decode()
    assert told.splitlines()[-1:] == ([] if leaves else ["KeyboardInterrupt"]), told
    await upstream.chats[0].gone()


async def test_a_server_that_went_away(
    faults: FaultProxy, patience: Patience, upstream: FakeUpstream, proxy: Proxy
) -> None:
    upstream.script(text_stream(LONG))
    faults.plan((CUT, 900), *[(CUT, 0)] * 18)

    def work(client: Client) -> str:
        with pytest.raises(StreamLost) as lost:
            list(client.chat_stream("hello"))
        return lost.value.partial

    partial = await blocking(faults, patience, work)
    assert LONG.startswith(partial)
    assert partial


def test_a_client_that_is_closed() -> None:
    client = Client("http://127.0.0.1:9", model="m")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.generate("hello")
