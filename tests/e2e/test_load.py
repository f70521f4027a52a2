"""Many streams at once: none loses, mixes or reorders anything, none holds up another, and nothing is left of them."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from structlog.testing import capture_logs

from llms.testing.answers import Answer, chunk
from llms.testing.fake_upstream import FakeUpstream, answer, event, flood, pause, reply, text_stream, wait
from llms.testing.plain_client import check_stream
from llms.testing.seen import Seen
from tests.proxy import Proxy, RawClient, Reply, chat, one_upstream, serving

ROOT = Path(__file__).resolve().parents[2]
STREAMS = 1000
PIECES = 20
FILES = 6 * STREAMS
"""Each stream has four sockets here: the client's, the proxy's two, the upstream's."""
FULL_SPEED = 50
MANY = 300
FLOOD = 50 * 2**20
GROWTH = 64 * 2**20


@pytest.fixture(autouse=True)
def _many_files() -> Generator[None, None, None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        enough = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def tag_of(seen: Seen) -> str:
    return str(seen.json["messages"][0]["content"])


async def ask_for(proxy: Proxy, tag: str) -> Reply:
    """Ask for the stream of a tag."""
    client = await RawClient.to(proxy)
    try:
        await client.send(chat(messages=[{"role": "user", "content": tag}]))
        return await client.reply(patience=60)
    finally:
        client.close()


def tagged(tag: str, count: int) -> list[str]:
    """Return the texts of a stream, each with its tag and number."""
    return [f"{tag}.{n} " for n in range(count)]


def check(got: Reply, tag: str, count: int) -> None:
    """Hold a stream to what was sent: all of it, of no other, in order, once."""
    assert got.done
    check_stream(got.events[:-1])
    texts = [text for item in got.events[:-1] if (text := item["choices"][0]["delta"].get("content"))]
    assert [n for n in texts if not n.startswith(f"{tag}.")] == [], "foreign"
    assert texts == tagged(tag, count), "lost, doubled or reordered"


async def nothing_is_left(proxy: Proxy, tasks: int, *, idle: int) -> None:
    """Wait until the proxy is as if nothing had been; `idle` connections may be kept."""
    engine = proxy.engine
    member = engine.gateway.fleet.members["up"]
    async with asyncio.timeout(10):
        while len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0.01)
    assert not engine.gateway.live
    assert not engine.services.running
    assert (member.running, member.slots.busy, member.slots.waiting) == (0, 0, 0)
    assert len(engine.pool._open) <= idle
    assert sum(map(len, engine.pool._idle.values())) == len(engine.pool._open)
    await asyncio.sleep(0.25)
    assert not engine.gateway.ticker.members, "something is still watched"
    assert engine.gateway.ticker._timer is None


async def quiet(proxy: Proxy) -> int:
    """Wait until the models are listed, as at every start; return how many tasks stand."""
    member = proxy.engine.gateway.fleet.members["up"]
    async with asyncio.timeout(5):
        while member.listed is None:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    return len(asyncio.all_tasks())


async def test_a_thousand_open_streams_stay_apart() -> None:
    gate = asyncio.Event()
    rng = random.Random(1)

    def slowly(seen: Seen) -> Answer:
        pieces = [event(chunk({"content": text})) for text in tagged(tag_of(seen), PIECES)]
        paced = [step for piece in pieces for step in (pause(rng.uniform(0.0, 0.04)), piece)]
        first = event(chunk({"role": "assistant", "content": ""}))
        return answer(first, wait(gate), *paced, event(chunk({}, "stop")), event("[DONE]"))

    async with FakeUpstream() as upstream:
        upstream.on(slowly)
        async with serving(one_upstream(upstream, row="stream_usage: native")) as proxy:
            tasks = await quiet(proxy)
            asking = [asyncio.create_task(ask_for(proxy, f"s{n}")) for n in range(STREAMS)]
            await upstream.arrived(STREAMS, timeout=30)
            assert len(proxy.engine.gateway.live) == STREAMS
            gate.set()
            for n, got in enumerate(await asyncio.gather(*asking)):
                check(got, f"s{n}", PIECES)
            assert all(ended.outcome == "ok" for ended in await proxy.all_ended(STREAMS))
            await nothing_is_left(proxy, tasks, idle=STREAMS)


async def test_fifty_streams_at_full_speed_are_exact() -> None:
    def at_once(seen: Seen) -> Answer:
        pieces = [event(chunk({"content": text})) for text in tagged(tag_of(seen), MANY)]
        first = event(chunk({"role": "assistant", "content": ""}))
        return answer(first, *pieces, event(chunk({}, "stop")), event("[DONE]"))

    async with FakeUpstream() as upstream:
        upstream.on(at_once)
        async with serving(one_upstream(upstream)) as proxy:
            tasks = await quiet(proxy)
            for n, got in enumerate(await asyncio.gather(*(ask_for(proxy, f"f{n}") for n in range(FULL_SPEED)))):
                check(got, f"f{n}", MANY)
            await nothing_is_left(proxy, tasks, idle=FULL_SPEED)


async def test_clients_that_come_and_go_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(2)

    async def come_and_go(n: int) -> None:
        client = await RawClient.to(proxy)
        await client.send(chat(stream=bool(n % 4)))
        await asyncio.sleep(rng.uniform(0.0, 0.1))
        leave = (client.close, client.reset, client.half_close)[n % 3]
        leave()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await client.reader.read()
        client.close()

    async with FakeUpstream() as upstream:
        upstream.on(lambda seen: text_stream("one two three four", usage=False).paced(0.02))
        async with serving(one_upstream(upstream)) as proxy:
            tasks = await quiet(proxy)
            with capture_logs() as logged:
                await asyncio.gather(*(come_and_go(n) for n in range(300)))
                await nothing_is_left(proxy, tasks, idle=300)
            assert {ended.outcome for ended in proxy.ended} <= {"ok", "cancelled"}
            assert [line for line in logged if line["log_level"] in ("warning", "error")] == []
            assert caplog.records == []
            assert (await ask_for(proxy, "x")).text == "one two three four"


@asynccontextmanager
async def served(text: str, folder: Path) -> AsyncGenerator[tuple[psutil.Process, int]]:
    """Run the server in a process of its own; give the process and its port."""
    config = folder / "providers.yaml"
    config.write_text(text)
    command = [sys.executable, "-m", "llms", "serve", "--config", str(config), "--port", "0", "--no-discover"]
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LLMS_DATA_DIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(20):
            while b"http://127.0.0.1:" not in (line := await child.stdout.readline()):
                assert line, "the server did not start"
        yield psutil.Process(child.pid), int(line.partition(b"http://127.0.0.1:")[2].split(b"/")[0])
    finally:
        child.kill()
        await child.communicate()


async def connect(port: int, **options: object) -> RawClient:
    sock = socket.socket()
    for name, value in options.items():
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)  # type: ignore[call-overload]
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return RawClient(*await asyncio.open_connection(sock=sock, limit=1024 if options else 2**16))


async def ask_at(port: int, tag: str) -> tuple[Reply, float]:
    """Ask for a short stream; return it and the seconds it took."""
    started = time.monotonic()
    client = await connect(port)
    try:
        await client.send(chat(messages=[{"role": "user", "content": tag}]))
        return await client.reply(), time.monotonic() - started
    finally:
        client.close()


async def test_a_very_slow_reader_costs_no_memory_and_holds_up_nobody(tmp_path: Path) -> None:
    def answered(seen: Seen) -> Answer:
        if tag_of(seen) == "flood":
            return flood(FLOOD)
        made = reply(tag_of(seen))
        return made(seen) if callable(made) else made

    async with FakeUpstream() as upstream:
        upstream.on(answered)
        async with served(one_upstream(upstream), tmp_path) as (server, port):
            for n in range(20):
                await ask_at(port, f"warm{n}")
            before = server.memory_info().rss
            slow = await connect(port, SO_RCVBUF=4096)
            await slow.send(chat(messages=[{"role": "user", "content": "flood"}]))
            flooding = await upstream.arrived(21)
            peak, longest = before, 0.0
            for n in range(16):
                assert await slow.reader.read(256)
                got, seconds = await ask_at(port, f"other{n}")
                assert (got.text, got.done) == (f"other{n}", True)
                peak, longest = max(peak, server.memory_info().rss), max(longest, seconds)
                await asyncio.sleep(0.25)
            assert not flooding.finished, "the upstream was read faster than the client"
            slow.reset()
            await flooding.gone()

    assert peak - before < GROWTH, f"{(peak - before) / 2**20:.0f} MiB"
    assert longest < 1.0
