"""`llms serve --workers 2`, with real processes: whichever worker a client meets, it meets the same server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from llms.cli.workers import rest_after
from llms.testing.fake_upstream import FakeUpstream, Seen, stall, text_stream, wait
from tests.cli.conftest import ECHO, Home, Run, Serve, Server

KEY = {"Authorization": "Bearer sk-of-the-test-0123"}
KEYS = "keys: {static: [sk-of-the-test-0123]}\n"
RESUMABLE = {"X-LLMS-Stream": "resumable"}
PATIENCE = 30.0


class Client:
    """One connection that is kept, and so one worker."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def told(self, path: str, **headers: str) -> Any:
        status, found = await self.ask("GET", path, **headers)
        assert status == 200, found
        return found

    @asynccontextmanager
    async def stream(self, path: str, body: Any = None, **headers: str) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Ask for a stream; the connection is busy until it is left."""
        method = "GET" if body is None else "POST"
        async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
            yield answer

    async def worker(self) -> str:
        """Return what tells the workers apart: the beginning of the ids that they give to requests."""
        async with self.http.get(f"{self.url}/health") as answer:
            return answer.headers["x-request-id"][:12]


@asynccontextmanager
async def one_of_each(url: str, *, of: int = 2) -> AsyncGenerator[list[Client], None]:
    """Return as many clients of each of the two workers, in the order one, other, one, other."""
    kept: dict[str, list[Client]] = {}
    async with asyncio.timeout(PATIENCE):
        sessions: list[aiohttp.ClientSession] = []
        try:
            while len(kept) < 2 or min(map(len, kept.values())) < of // 2:
                http = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=1), cookie_jar=aiohttp.CookieJar(unsafe=True)
                )
                sessions.append(http)
                client = Client(url, http)
                kept.setdefault(await client.worker(), []).append(client)
            one, other = kept.values()
            yield [client for pair in zip(one, other, strict=False) for client in pair]
        finally:
            for http in sessions:
                await http.close()


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.02)


def chat(model: str = "a/one", text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def children(server: Server) -> set[int]:
    pid = server.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def value(page: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


REQUESTS = 'llms_requests_total{model="one",provider="a",status="200"}'


async def test_metrics_are_those_of_all_workers_and_outlive_one(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve("--workers", "2") as server:
        async with one_of_each(server.url) as (one, other):
            for client in (one, other, other):
                assert (await client.ask("POST", "/v1/chat/completions", chat()))[0] == 200
            for client in (one, other):
                page = await client.told("/metrics")
                assert value(page, REQUESTS) == 3
                assert value(page, "gen_ai_server_request_duration_seconds_count") == 3
                assert value(page, 'gen_ai_server_request_duration_seconds_bucket{le="+Inf"}') == 3
                assert value(page, 'llms_provider_up{provider="a"}') == 1
        before = children(server)
        os.kill(min(before), signal.SIGKILL)

        async def replaced() -> bool:
            async with aiohttp.ClientSession() as http:
                assert value(await Client(server.url, http).told("/metrics"), REQUESTS) == 3
            return len(children(server) - {min(before)}) == 2

        await until(replaced)
        async with one_of_each(server.url) as (one, other):
            assert (await one.ask("POST", "/v1/chat/completions", chat()))[0] == 200
            for client in (one, other):
                assert value(await client.told("/metrics"), REQUESTS) == 4


async def test_connections_are_split_evenly(home: Home, serve: Serve) -> None:
    home.write(ECHO)

    async def met(url: str) -> str:
        async with aiohttp.ClientSession() as http:
            return await Client(url, http).worker()

    async with serve("--workers", "2") as server, one_of_each(server.url):
        found = Counter([await met(server.url) for _ in range(200)])
    assert len(found) == 2
    assert min(found.values()) >= 70


async def test_whoever_signed_in_at_one_is_known_to_the_other(home: Home, serve: Serve) -> None:
    home.write(ECHO + KEYS)
    async with serve("--workers", "2") as server, one_of_each(server.url, of=4) as (one, other, *_):
        link = re.search(r"#sign-in=(\S+)", server.announced)
        assert link is not None
        own = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
        assert (await other.ask("POST", "/api/session", {"link": link[1]}, **own))[0] == 204
        assert (await one.ask("POST", "/api/session", {"link": link[1]}, **own))[0] == 401
        cookie = {"Cookie": "; ".join(f"{each.key}={each.value}" for each in other.http.cookie_jar)}
        for client in (one, other):
            assert (await client.ask("GET", "/v1/models", **own, **cookie))[0] == 200
        assert (await one.ask("DELETE", "/api/session", **own, **cookie))[0] == 204
        for client in (one, other):
            assert (await client.ask("GET", "/v1/models", **own, **cookie))[0] == 401


@pytest.fixture
async def upstream() -> AsyncGenerator[FakeUpstream, None]:
    async with FakeUpstream() as running:
        yield running


def row(upstream: FakeUpstream, more: str = "") -> str:
    return f"providers:\n  up: {{type: openai_compatible, base_url: '{upstream.url}', models: [m], {more}}}\n"


async def chats(upstream: FakeUpstream, count: int) -> list[Seen]:
    """Wait until so many chats have come to the upstream."""

    def found() -> list[Seen]:
        return [seen for seen in upstream.requests if seen.path.endswith("/chat/completions")]

    async def are_there() -> bool:
        return len(found()) >= count

    await until(are_there)
    return found()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_stream_is_taken_up_listed_and_cancelled_at_the_other_worker(
    home: Home, serve: Serve, upstream: FakeUpstream, loop: str
) -> None:
    home.write(row(upstream) + KEYS)
    upstream.script(text_stream("one two three").first(3).then(stall()))
    async with serve("--workers", "2", LLMS_LOOP=loop) as server, one_of_each(server.url, of=6) as clients:
        one, other, spare, spare_other, *_ = clients
        body = chat("up/m", stream=True)
        async with one.stream("/v1/chat/completions", body, **KEY, **RESUMABLE) as begun:
            stream_id = begun.headers["X-LLMS-Stream-Id"]
            async with other.stream(f"/v1/streams/{stream_id}", **KEY) as taken_up:
                assert taken_up.status == 200
                assert b"two" in await taken_up.content.readuntil(b"two")
                for client in (spare, spare_other):
                    listed = await client.told("/api/streams", **KEY)
                    assert [(each["id"], each["readers"]) for each in listed["data"]] == [(stream_id, 2)]
                    assert listed["total"] == 1
                    live = await client.told("/api/requests", **KEY)
                    assert [each["asked_model"] for each in live["data"]] == ["up/m"]
                    assert (await client.told("/api/analytics", **KEY))["active_streams"] == 1
                status, gone = await spare_other.ask("DELETE", f"/v1/streams/{stream_id}", **KEY)
                assert (status, gone["cancelled"]) == (200, True)
                assert b"cancelled" in await taken_up.content.read()
        state = await spare_other.told(f"/v1/streams/{stream_id}", Accept="application/json", **KEY)
        assert (state["status"], state["text"]) == ("cancelled", "one two ")
        assert await (await chats(upstream, 1))[0].gone() > 0
        before = value(await spare.told("/metrics", **KEY), 'llms_errors_total{code="not_found"}')
        assert (await spare.ask("GET", "/v1/streams/stream_unknown", **KEY))[0] == 404
        after = value(await spare.told("/metrics", **KEY), 'llms_errors_total{code="not_found"}')
        assert after - before == 1
        assert (await spare_other.ask("GET", f"/v1/streams/{stream_id}"))[0] == 401


async def test_a_reader_at_the_other_worker_that_leaves_is_no_reader_any_more(
    home: Home, serve: Serve, upstream: FakeUpstream
) -> None:
    home.write(row(upstream) + "resume: {grace: 100ms}\n")
    upstream.script(text_stream("one two three").first(3).then(stall()))
    async with serve("--workers", "2") as server, one_of_each(server.url) as (one, other):
        async with (
            one.stream("/v1/chat/completions", chat("up/m", stream=True), **RESUMABLE) as begun,
            other.stream(f"/v1/streams/{begun.headers['X-LLMS-Stream-Id']}") as taken_up,
        ):
            await taken_up.content.readuntil(b"two")
        assert await (await chats(upstream, 1))[0].gone() > 0


async def test_what_runs_at_one_worker_is_cancelled_at_the_other(
    home: Home, serve: Serve, upstream: FakeUpstream
) -> None:
    home.write(row(upstream))
    upstream.script(text_stream("one two three").first(3).then(stall()))
    async with serve("--workers", "2") as server, one_of_each(server.url, of=4) as (one, other, spare, spare_other):
        async with one.stream("/v1/chat/completions", chat("up/m", stream=True), **{"x-request-id": "it"}) as begun:
            await begun.content.readuntil(b"two")
            assert (await other.ask("DELETE", "/api/requests/it"))[0] == 200
            assert b"cancelled" in await begun.content.read()
        assert (await other.ask("DELETE", "/api/requests/it"))[0] == 404

        asked = {"model": "up/m", "input": "hello", "background": True}
        ids = [(await spare.ask("POST", "/v1/responses", asked))[1]["id"] for _ in range(2)]
        await chats(upstream, 3)
        assert (await spare_other.told(f"/v1/responses/{ids[0]}"))["status"] in ("queued", "in_progress")
        async with spare_other.stream(f"/v1/responses/{ids[0]}?stream=true") as events:
            await events.content.readuntil(b"two")
            status, cancelled = await other.ask("POST", f"/v1/responses/{ids[0]}/cancel")
            assert (status, cancelled["status"]) == (200, "cancelled")
        assert (await other.ask("DELETE", f"/v1/responses/{ids[1]}"))[0] == 200
        for seen in await chats(upstream, 3):
            assert await seen.gone() > 0
        for client in (spare, spare_other):
            assert (await client.ask("GET", f"/v1/responses/{ids[1]}"))[0] == 404


async def test_a_limit_holds_for_all_workers_together(home: Home, serve: Serve, upstream: FakeUpstream) -> None:
    home.write(row(upstream, "limits: {concurrency: 1, queue: 2}"))
    gate = asyncio.Event()
    upstream.script(text_stream("one two").first(1).then(wait(gate)))
    async with serve("--workers", "2") as server, one_of_each(server.url, of=6) as clients:
        asked = [asyncio.create_task(client.ask("POST", "/v1/chat/completions", chat("up/m"))) for client in clients]
        first = (await chats(upstream, 1))[0]

        async def refused() -> bool:
            return sum(task.done() for task in asked) == 3

        await until(refused)
        assert all(task.result()[0] == 429 for task in asked if task.done())
        assert await chats(upstream, 1) == [first]
        del gate
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_a_slot_of_a_worker_that_died_is_free_again(home: Home, serve: Serve, upstream: FakeUpstream) -> None:
    home.write(row(upstream, "limits: {concurrency: 1}"))
    upstream.script(text_stream("one two").first(2).then(stall()), text_stream("in the end"))
    async with serve("--workers", "2") as server:

        async def is_queued() -> bool:
            async with aiohttp.ClientSession() as http:
                live = await Client(server.url, http).told("/api/requests")
                return "queued" in [each["state"] for each in live["data"]]

        async with (
            one_of_each(server.url) as (one, other),
            one.stream("/v1/chat/completions", chat("up/m", stream=True)) as begun,
        ):
            await begun.content.readuntil(b"one")
            (holder,) = {pid for pid in children(server) if holds(pid, upstream)}
            waiting = asyncio.create_task(other.ask("POST", "/v1/chat/completions", chat("up/m")))
            await until(is_queued)
            os.kill(holder, signal.SIGKILL)
            async with asyncio.timeout(PATIENCE):
                status, answer = await waiting
        assert (status, answer["choices"][0]["message"]["content"]) == (200, "in the end")


def holds(pid: int, upstream: FakeUpstream) -> bool:
    """Tell whether a process has a connection to the upstream."""
    port = int(upstream.url.split(":")[2].split("/")[0])
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].split(":")[1], 16) == port and fields[3] == "01":
            inodes.add(f"socket:[{fields[9]}]")
    return any(os.readlink(each) in inodes for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink())


async def models(client: Client) -> list[str]:
    return [each["id"] for each in (await client.told("/v1/models"))["data"]]


async def test_a_new_configuration_counts_in_all_workers_and_in_those_that_come_later(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve("--workers", "2") as server:
        home.write(ECHO.replace("[one, two]", "[three]"))
        server.process.send_signal(signal.SIGHUP)

        async def are_new() -> bool:
            async with one_of_each(server.url) as clients:
                return [await models(client) for client in clients] == [["a/three"], ["a/three"]]

        await until(are_new)
        before = children(server)
        os.kill(min(before), signal.SIGKILL)

        async def replaced() -> bool:
            return len(children(server) - {min(before)}) == 2

        await until(replaced)
        assert await are_new()


async def test_a_provider_that_is_switched_off_is_off_in_all_workers(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve("--workers", "2") as server, one_of_each(server.url) as (one, other):
        for enabled, status in ((False, 404), (True, 200)):
            assert (await one.ask("PATCH", "/api/providers/a", {"enabled": enabled}))[0] == 200
            for client in (one, other):
                assert (await client.ask("POST", "/v1/chat/completions", chat()))[0] == status


async def test_a_worker_that_comes_later_knows_what_is_switched_off(home: Home, serve: Serve) -> None:
    home.write("providers:\n  a: {type: echo}\n  b: {type: echo}\n")
    async with serve("--workers", "2") as server:
        async with one_of_each(server.url) as (one, other):
            for client, name, enabled in ((one, "a", False), (other, "b", False), (one, "b", True)):
                assert (await client.ask("PATCH", f"/api/providers/{name}", {"enabled": enabled}))[0] == 200
        for place in children(server):
            os.kill(place, signal.SIGKILL)

        async def are_back() -> bool:
            try:
                async with one_of_each(server.url) as clients:
                    found = [await models(client) for client in clients]
            except aiohttp.ClientConnectionError:
                return False
            return found == [["b/echo"], ["b/echo"]]

        await until(are_back)


async def test_a_stream_of_the_other_worker_may_finish_when_the_server_ends(home: Home, serve: Serve) -> None:
    home.write("providers:\n  s: {type: echo, delay: 0.1}\n")
    async with serve("--workers", "2") as server, one_of_each(server.url) as (one, other):
        body = chat("s/echo", "one two three four five six seven eight", stream=True)
        async with (
            one.stream("/v1/chat/completions", body, **RESUMABLE) as begun,
            other.stream(f"/v1/streams/{begun.headers['X-LLMS-Stream-Id']}") as taken_up,
        ):
            await taken_up.content.readuntil(b"two")
            server.process.terminate()
            rest = await taken_up.content.read()
        assert rest.endswith(b"data: [DONE]\n\n")
        assert b"eight" in rest
        assert (await server.stop()).code == 0


async def health(url: str) -> int:
    """Ask on a connection of its own, once more where that is reset.

    The kernel shares connections out before anybody accepts them: one that it gave to a worker in the instant of its
    leaving is lost, whatever the worker does. Browsers and SDKs ask again, too.
    """
    for last in (False, True):
        try:
            async with aiohttp.ClientSession() as http:
                return (await Client(url, http).ask("GET", "/health"))[0]
        except aiohttp.ClientConnectionError:
            if last:
                raise
    raise AssertionError


async def test_one_worker_that_is_told_to_end_leaves_its_port_to_the_others(home: Home, serve: Serve) -> None:
    home.write("providers:\n  s: {type: echo, delay: 0.05}\n")
    async with serve("--workers", "2") as server, one_of_each(server.url, of=4) as clients:
        before = children(server)
        asks = [client.stream("/v1/chat/completions", chat("s/echo", "word " * 60, stream=True)) for client in clients]
        async with asks[0] as first, asks[1] as second:
            for answer in (first, second):
                await answer.content.readuntil(b"word")
            os.kill(min(before), signal.SIGTERM)
            for _ in range(20):
                assert await health(server.url) == 200
            for answer in (first, second):
                assert (await answer.content.read()).endswith(b"data: [DONE]\n\n")


async def test_the_port_is_refused_to_a_second_server(home: Home, serve: Serve, llms_apart: Run) -> None:
    home.write(ECHO)
    async with serve("--workers", "2") as server:
        port = server.url.rpartition(":")[2]
        ran = await llms_apart("serve", "--workers", "2", "--port", port)
    assert ran.code == 2
    assert f"127.0.0.1:{port}: the port is in use by" in ran.err


async def test_a_path_that_is_too_long_for_sockets_is_refused(home: Home, llms_apart: Run) -> None:
    home.write(ECHO)
    place = home.path / ("long" * 30)
    place.mkdir()
    ran = await llms_apart("serve", "--workers", "2", "--port", "0", TMPDIR=str(place))
    assert ran.code == 2
    assert "set TMPDIR" in ran.err
    assert not list(place.iterdir())


def test_a_worker_that_dies_young_rests_longer_each_time() -> None:
    rests = [0.0]
    for _ in range(8):
        rests.append(rest_after(rests[-1], lived=0.1))
    assert rests[1:] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert rest_after(30.0, lived=60.0) == 0.5


async def test_a_stream_that_its_worker_cannot_end_breaks_off_at_the_other(
    home: Home, serve: Serve, upstream: FakeUpstream
) -> None:
    home.write(row(upstream))
    upstream.script(text_stream("one two").first(2).then(stall()))
    async with serve("--workers", "2") as server, one_of_each(server.url) as (one, other):
        body = chat("up/m", stream=True)
        async with one.stream("/v1/chat/completions", body, **RESUMABLE) as begun:
            stream_id = begun.headers["X-LLMS-Stream-Id"]
            async with other.stream(f"/v1/streams/{stream_id}") as taken_up:
                await taken_up.content.readuntil(b"one")
                (holder,) = {pid for pid in children(server) if holds(pid, upstream)}
                os.kill(holder, signal.SIGKILL)
                with pytest.raises(aiohttp.ClientError):
                    await taken_up.content.read()
        status, told = await other.ask("GET", f"/v1/streams/{stream_id}")
        assert (status, told["error"]["code"]) == (404, "not_found")


async def test_a_worker_that_is_about_to_end_says_so_through_the_other(
    home: Home, serve: Serve, upstream: FakeUpstream
) -> None:
    home.write(row(upstream))
    upstream.script(text_stream("one two").first(2).then(stall()))
    async with (
        serve("--workers", "2") as server,
        one_of_each(server.url) as (one, other),
        one.stream("/v1/chat/completions", chat("up/m", stream=True), **RESUMABLE) as begun,
    ):
        await begun.content.readuntil(b"one")
        (holder,) = {pid for pid in children(server) if holds(pid, upstream)}
        os.kill(holder, signal.SIGTERM)
        path = f"/v1/streams/{begun.headers['X-LLMS-Stream-Id']}"

        async def says_so() -> bool:
            status, told = await other.ask("GET", path, Accept="application/json")
            return (status, (told.get("error") or {}).get("code")) == (503, "server_stopping")

        await until(says_so)
        os.kill(holder, signal.SIGKILL)


async def test_children_that_are_no_workers_are_none_of_the_parents_business(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    # A shell that becomes the server leaves its children to it, as every process of a container does to process 1.
    becomes = ("sh", "-c", 'true & exec "$0" "$@"')
    async with serve("--workers", "2", before=becomes) as server:
        one = min(children(server))
        os.kill(one, signal.SIGKILL)

        async def is_replaced() -> bool:
            return len(children(server) - {one}) == 2

        await until(is_replaced)
        assert (await server.stop()).code == 0


async def test_nothing_is_left_behind_when_the_parent_is_killed(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    place = home.path / "t"
    place.mkdir()
    async with serve("--workers", "2", TMPDIR=str(place)) as server:
        assert list(place.iterdir())
        await server.stop(signal.SIGKILL)

    async def is_clean() -> bool:
        return not list(place.iterdir())

    await until(is_clean)
