"""`llms serve`: it starts, says where it is, refuses what is unsafe or impossible, and ends when told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cli.conftest import ECHO, Home, Run, Serve, ended


async def get(url: str, *, key: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as answer:
        return answer.status, await answer.json()


async def ask(url: str, model: str, text: str) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/chat/completions", json=body) as answer:
        said = await answer.json()
        return str(said["choices"][0]["message"]["content"] if answer.status == 200 else said["error"]["message"])


async def test_it_prints_its_addresses_answers_and_ends_on_sigterm(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve() as server:
        assert f"API   {server.url}/v1\n" in server.announced
        assert f"Page  {server.url}/\n" in server.announced
        assert f"export OPENAI_BASE_URL={server.url}/v1 OPENAI_API_KEY=none\n" in server.announced
        assert ["a", "echo", "ready", "providers.yaml"] in [line.split() for line in server.announced.splitlines()]
        assert await get(f"{server.url}/health") == (200, {"status": "ok"})
        assert await ask(server.url, "a/one", "hello there") == "hello there"
        end = await server.stop()

    assert end.code == 0
    assert [json.loads(line)["event"] for line in end.err.splitlines()] == ["request", "draining"]


async def test_ctrl_c_ends_it_as_well(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve() as server:
        assert (await server.stop(signal.SIGINT)).code == 0


async def test_it_starts_without_a_file(serve: Serve) -> None:
    async with serve("--no-discover") as server:
        assert (await get(f"{server.url}/v1/models"))[1]["data"] == []


async def test_what_is_left_out_is_listed_with_the_reason(home: Home, serve: Serve) -> None:
    home.write(ECHO + '  b: {type: openai, api_key: "${MY_KEY}"}\nmodels:\n  smart: {targets: [b/x, a/one]}\n')
    async with serve() as server:
        assert "needs MY_KEY" in server.announced
        assert "Note: models.smart.targets.0: provider b is left out: needs MY_KEY" in server.announced
        assert '"model":"smart"' in server.announced


async def test_a_port_in_use_names_its_holder_and_another(home: Home, llms: Run) -> None:
    home.write(ECHO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = await llms("serve", "--port", str(port))

    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert f"127.0.0.1:{port}: the port is in use by" in ran.err
    assert f"(pid {os.getpid()})" in ran.err
    assert "Try --port " in ran.err


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "a..b"])
async def test_an_address_that_is_not_here_is_refused(llms: Run, host: str) -> None:
    ran = await llms("serve", "--host", host, "--insecure", "--port", "0")

    assert ran.code == 2
    assert f"Cannot listen on '{host}': this machine has no such address. Use --host 127.0.0.1" in ran.err


async def test_an_open_door_is_refused(home: Home, llms: Run) -> None:
    home.write(ECHO)
    ran = await llms("serve", "--host", "0.0.0.0", "--port", "0")

    assert ran.code == 2
    assert "Refused to listen on 0.0.0.0 without a key" in ran.err
    assert "LLMS_API_KEY" in ran.err
    assert "--insecure" in ran.err


async def test_an_open_door_may_be_wanted(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve("--host", "0.0.0.0", "--insecure") as server:
        assert await ask(server.url, "a/one", "come in") == "come in"


async def test_a_key_closes_the_door(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve("--host", "0.0.0.0", LLMS_API_KEY="sk-planted-0123456789") as server:
        assert (await get(f"{server.url}/v1/models"))[0] == 401
        assert (await get(f"{server.url}/v1/models", key="sk-planted-0123456789"))[0] == 200
        assert "sign-in=" in server.announced
        assert "sk-planted" not in server.announced
        end = await server.stop()
    assert "sk-planted" not in end.err


async def test_a_broken_file_is_told_whole(home: Home, llms: Run) -> None:
    home.write("providers:\n  a: {type: ecko}\n  b: {type: echo, dellay: 1}\nserver: {prot: 1}\n")
    ran = await llms("serve", "--port", "0")

    assert ran.code == 2
    assert not ran.out
    places = [line.partition(": ")[0] for line in ran.err.splitlines() if not line.startswith(" ")]
    assert [place.removeprefix(f"{home.path}/") for place in places] == [
        "providers.yaml:2:13",
        "providers.yaml:3:19",
        "providers.yaml:4:10",
    ]


async def test_a_file_that_is_named_and_missing_is_said(llms: Run) -> None:
    ran = await llms("serve", "--config", "nowhere.yaml")

    assert ran.code == 2
    assert "nowhere.yaml: cannot be read: No such file or directory" in ran.err


async def test_a_change_of_the_file_is_put_in_force(home: Home, serve: Serve) -> None:
    path = home.write(ECHO)
    async with serve() as server:
        home.write(ECHO.replace("[one, two]", "[three]"))
        server.process.send_signal(signal.SIGHUP)
        await logged(server.process, "configuration in force")
        assert [model["id"] for model in (await get(f"{server.url}/v1/models"))[1]["data"]] == ["a/three"]

        path.write_text("providers: nonsense")
        server.process.send_signal(signal.SIGHUP)
        line = await logged(server.process, "configuration not changed: the file has problems")
        assert "providers.yaml:1:1" in str(line["problems"])
        assert await ask(server.url, "a/three", "still here") == "still here"


async def logged(process: asyncio.subprocess.Process, event: str) -> dict[str, Any]:
    """Read the log until an event."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while line := await process.stderr.readline():
            found: dict[str, Any] = json.loads(line)
            if found["event"] == event:
                return found
    raise AssertionError(f"{event!r} was not logged")


async def test_several_workers_share_the_port_and_end_together(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve("--workers", "2") as server:
        assert await ask(server.url, "a/one", "hello") == "hello"
        workers = children(server.process.pid)
        assert len(workers) == 2
        end = await server.stop()

    assert end.code == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


async def test_a_worker_that_dies_is_replaced(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve("--workers", "2") as server:
        before = children(server.process.pid)
        os.kill(min(before), signal.SIGKILL)
        async with asyncio.timeout(30):
            while len(children(server.process.pid) - {min(before)}) < 2:
                await asyncio.sleep(0.05)
        assert await ask(server.url, "a/one", "still here") == "still here"
        assert (await server.stop()).code == 0


def children(pid: int) -> set[int]:
    """Return the running children of a process."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def test_a_reader_that_leaves_does_not_end_the_server(home: Home) -> None:
    home.write(ECHO)
    reader, writer = os.pipe()
    os.close(reader)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llms", "serve", "--port", str(port)),
        cwd=home.path,
        env=home.environ(),
        stdout=writer,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        async with asyncio.timeout(30):
            while not await answers(port):
                await asyncio.sleep(0.05)
    finally:
        process.terminate()
        await process.wait()


async def answers(port: int) -> bool:
    try:
        return (await get(f"http://127.0.0.1:{port}/health"))[0] == 200
    except aiohttp.ClientError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SLOW = "providers:\n  s: {type: echo, delay: 0.2}\n"


async def test_a_stream_that_runs_may_finish(home: Home, serve: Serve) -> None:
    home.write(SLOW)
    async with serve() as server, streaming(server.url, "one two three four") as events:
        first = await anext(events)
        server.process.terminate()
        rest = [first, *[event async for event in events]]
        assert (await ended(server.process)).code == 0

    assert rest[-1] == "[DONE]"
    assert "".join(text_of_event(event) for event in rest[:-1]) == "one two three four"


async def test_a_stream_that_runs_too_long_ends_with_an_error(home: Home, serve: Serve) -> None:
    home.write(SLOW + "server: {drain: 300ms}\n")
    async with serve() as server, streaming(server.url, "word " * 100) as events:
        first = await anext(events)
        server.process.terminate()
        rest = [first, *[event async for event in events]]
        assert (await ended(server.process)).code == 0

    assert "shutting down" in json.loads(rest[-1])["error"]["message"]
    assert "[DONE]" not in rest


@asynccontextmanager
async def streaming(url: str, text: str) -> AsyncIterator[AsyncIterator[str]]:
    """Ask for a stream and hand out the data of its events."""
    body = {"model": "s/echo", "stream": True, "messages": [{"role": "user", "content": text}]}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/chat/completions", json=body) as answer:
        assert answer.status == 200

        async def events() -> AsyncIterator[str]:
            async for line in answer.content:
                if line.startswith(b"data: "):
                    yield line[6:].decode().strip()

        yield events()


def text_of_event(event: str) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in json.loads(event)["choices"])
