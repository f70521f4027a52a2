"""A configuration that changes while the server runs: by its time stamp or by SIGHUP, at once or not at all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from llms.testing.answers import chunk
from llms.testing.fake_upstream import FakeUpstream, answer, event, text_stream, wait
from tests.e2e.process import Process, running
from tests.proxy import chat

_OLD_KEY = "sk-planted-old-0123456789"
_NEW_KEY = "sk-planted-new-9876543210"


def _text(upstreams: dict[str, FakeUpstream], names: str, *, key: str = _OLD_KEY, more: str = "") -> str:
    rows = "".join(
        f'  {name}: {{type: openai_compatible, base_url: "{upstream.url}", api_key: {key}}}\n'
        for name, upstream in upstreams.items()
    )
    return f"providers:\n{rows}models:\n{names}{more}"


def _by_time_stamp(server: Process) -> None:
    """Wait for the server to see the file by itself."""


def _by_signal(server: Process) -> None:
    server.signal(signal.SIGHUP)


@pytest.mark.parametrize("tell", [_by_time_stamp, _by_signal], ids=["time stamp", "SIGHUP"])
async def test_a_change_is_in_force_while_open_streams_go_on(tell: Callable[[Process], None], tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with FakeUpstream() as old, FakeUpstream() as new:
        steps = text_stream("old words").steps
        old.script(answer(event(chunk({"role": "assistant", "content": "a"})), wait(go_on), *steps))
        new.script(text_stream("new words"))
        async with running(_text({"a": old}, "  m: {targets: [a/x]}\n"), tmp_path) as server:
            stream = await server.client()
            await stream.send(chat())
            begun = await stream.until(b'"content": "a"')
            assert (await server.ask(chat(model="n"))).status == 404

            server.configure(_text({"b": new}, "  n: {targets: [b/y]}\n"))
            tell(server)
            await server.logged("configuration in force")
            assert (await server.ask(chat(model="n"))).text == "new words"
            gone = await server.ask(chat(model="m"))
            assert (gone.status, gone.error["code"]) == (404, "model_not_found")

            go_on.set()
            rest = begun + await stream.until(b"data: [DONE]")
            assert b'"old "' in rest
            assert b'"words"' in rest
            assert b'"error"' not in rest
            stream.close()
            changes = [line["change"] for line in server.events if line["event"] == "configuration changed"]
            assert any("providers.a" in change and "removed" in change for change in changes)
            assert _OLD_KEY not in server.log
        assert len(old.chats) == 1


BROKEN = {
    "no mapping": ("providers: nonsense", "providers.yaml:1:1"),
    "broken YAML": ("providers:\n  a: {type: [\n", "providers.yaml:"),
    "an unknown key": ("server: {prot: 1}\n", "providers.yaml:1:10"),
    "a wrong value": ("providers:\n  a: {type: openai_compatible, base_url: nowhere}\n", "providers.yaml:2:"),
    "a missing variable": ('providers:\n  a: {type: echo, models: ["${NO_SUCH_VARIABLE}"]}\n', "providers.yaml:2:"),
    "an unknown target": ("models:\n  m: {targets: [nobody/x]}\n", "providers.yaml:2:"),
    "Python objects": ("providers: !!python/object/apply:os.system [touch owned]\n", "providers.yaml:1:"),
    "the same key twice": ("discover: false\ndiscover: true\n", "providers.yaml:2:1"),
}


async def test_a_broken_file_changes_nothing_and_says_why(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("still here"))
        good = _text({"a": upstream}, "  m: {targets: [a/x]}\n")
        async with running(good, tmp_path) as server:
            for count, (text, place) in enumerate(BROKEN.values(), start=1):
                server.configure(text)
                server.signal(signal.SIGHUP)
                line = await server.logged("configuration not changed: the file has problems", count)
                assert place in "\n".join(line["problems"])
                assert (await server.ask(chat())).text == "still here"
            server.configure(good.replace("  m:", "  mended:"))
            server.signal(signal.SIGHUP)
            await server.logged("configuration in force")
            assert (await server.ask(chat(model="mended"))).text == "still here"
            assert "Traceback" not in server.log
            assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("damage", ["gone", "empty", "binary", "a folder"])
async def test_a_file_that_cannot_be_read_changes_nothing(damage: str, tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("still here"))
        good = _text({"a": upstream}, "  m: {targets: [a/x]}\n")
        async with running(good, tmp_path) as server:
            path = tmp_path / "providers.yaml"
            if damage == "binary":
                path.write_bytes(b"\xff\xfe\0\0providers")
            elif damage == "empty":
                path.write_bytes(b"")
            else:
                path.unlink()
                if damage == "a folder":
                    path.mkdir()
            server.signal(signal.SIGHUP)
            await server.logged("configuration not changed: the file has problems")
            assert (await server.ask(chat())).text == "still here"
            if damage == "a folder":
                path.rmdir()
            server.configure(good.replace("  m:", "  mended:"))
            server.signal(signal.SIGHUP)
            await server.logged("configuration in force")
            assert (await server.ask(chat(model="mended"))).text == "still here"
            assert "Traceback" not in server.log


async def test_keys_change_without_being_told(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("hi"))
        keys = "keys: {static: [%s]}\n"
        names = "  m: {targets: [a/x]}\n"
        text = _text({"a": upstream}, names, more=keys % _OLD_KEY)
        async with running(text, tmp_path) as server:
            assert (await server.ask(chat(), headers={"x-api-key": _OLD_KEY})).status == 200
            assert (await server.ask(chat())).status == 401
            server.configure(_text({"a": upstream}, names, key=_NEW_KEY, more=keys % _NEW_KEY))
            server.signal(signal.SIGHUP)
            await server.logged("configuration in force")
            assert (await server.ask(chat(), headers={"x-api-key": _OLD_KEY})).status == 401
            assert (await server.ask(chat(), headers={"x-api-key": _NEW_KEY})).status == 200
            assert upstream.chats[-1].headers["authorization"] == f"Bearer {_NEW_KEY}"
            changes = [line["change"] for line in server.events if line["event"] == "configuration changed"]
            assert len(changes) == 2
            assert "planted" not in server.log + server.printed


async def test_what_takes_a_restart_is_said_and_left(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("hi"))
        names = "  m: {targets: [a/x]}\n"
        async with running(_text({"a": upstream}, names), tmp_path) as server:
            more = "server: {host: 0.0.0.0, workers: 4}\nstores: {usage: none}\n"
            server.configure(_text({"a": upstream}, names, more=more))
            server.signal(signal.SIGHUP)
            await server.logged("configuration in force")
            told = {line["setting"] for line in server.events if line["event"] == "this change needs a restart"}
            assert told == {"server.host", "server.workers", "stores.usage"}
            assert (await server.ask(chat())).text == "hi"
            assert (await server.ask(chat(), headers={"Host": "evil.example"})).status == 403


async def test_many_changes_at_once_end_with_the_last(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        upstream.on(lambda seen: text_stream("hi", usage=seen.asked_usage))
        async with running(_text({"a": upstream}, "  m0: {targets: [a/x]}\n"), tmp_path) as server:

            async def load() -> int:
                done = 0
                while not over.is_set():
                    reply = await server.ask(chat(model="a/x"))
                    assert (reply.text, reply.done) == ("hi", True)
                    done += 1
                return done

            over = asyncio.Event()
            busy = [asyncio.create_task(load()) for _ in range(4)]
            for number in range(1, 16):
                server.configure(
                    _text({"a": upstream}, f"  m{number}: {{targets: [a/x]}}\n", key=f"sk-test-{number:08}")
                )
                server.signal(signal.SIGHUP)
                await asyncio.sleep(0.03)
            async with asyncio.timeout(15):
                while (await server.ask(chat(model="m15"))).status != 200:
                    await asyncio.sleep(0.02)
            over.set()
            assert sum(await asyncio.gather(*busy)) > 4
            assert "Traceback" not in server.log
