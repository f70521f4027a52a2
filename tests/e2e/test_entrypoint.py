"""The container's entry point, run as it is: it makes a key, says it once, and becomes the server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from llms.testing.fake_upstream import FakeUpstream, text_stream
from tests.e2e.process import ROOT, Process, running
from tests.proxy import chat, one_upstream

SCRIPT = ROOT / "docker" / "entrypoint.sh"


def _contained(text: str, folder: Path, **environ: str) -> AbstractAsyncContextManager[Process]:
    return running(text, folder, environ=_environ(folder, environ), command=("sh", str(SCRIPT)))


def _environ(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which `python` and `llms` are those under test."""
    shims = folder / "bin"
    shims.mkdir(exist_ok=True)
    for name, line in (("python", f'exec "{sys.executable}" "$@"'), ("llms", 'exec python -m llms "$@"')):
        (shims / name).write_text(f"#!/bin/sh\n{line}\n")
        (shims / name).chmod(0o755)
    return {"PATH": f"{shims}:{os.environ['PATH']}", "LLMS_DATA_DIR": str(folder / "the data"), **more}


async def test_the_first_start_makes_a_key_and_says_it_once(tmp_path: Path) -> None:
    kept = tmp_path / "the data" / "api_key"
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("hi"))
        async with _contained(one_upstream(upstream), tmp_path) as server:
            [key] = re.findall(r"^Your API key \(kept in .*, shown this once\): (\S+)$", server.announced, re.MULTILINE)
            assert re.fullmatch(r"sk-llms-[\w-]{40,}", key)
            assert kept.read_text().strip() == key
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            assert [path.name for path in kept.parent.iterdir() if "key" in path.name] == ["api_key"]
            assert (await server.ask(chat())).status == 401
            assert (await server.ask(chat(), headers={"Authorization": f"Bearer {key}"})).text == "hi"
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
            assert server.printed.count(key) == 1
            assert key not in server.log
        async with _contained(one_upstream(upstream), tmp_path) as server:
            assert (await server.ask(chat(), headers={"x-api-key": key})).text == "hi"
            assert (await server.ask(chat())).status == 401
            assert key not in server.printed + server.log
            assert "Your API key" not in server.printed


async def test_blanks_in_the_environment_are_no_key(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, _contained(one_upstream(upstream), tmp_path, LLMS_API_KEY=" ") as server:
        assert "Your API key" in server.printed
        assert (await server.ask(chat())).status == 401


async def test_a_key_of_the_environment_takes_its_place(tmp_path: Path) -> None:
    key = "sk-planted-of-the-environment"
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("hi"))
        async with _contained(one_upstream(upstream), tmp_path, LLMS_API_KEY=key) as server:
            assert (await server.ask(chat(), headers={"x-api-key": key})).text == "hi"
            assert (await server.ask(chat())).status == 401
            assert not (tmp_path / "the data" / "api_key").exists()
            assert key not in server.printed + server.log


@pytest.mark.parametrize("left", ["", "\n", "   \n"], ids=["empty", "a line break", "blanks"])
async def test_a_key_file_without_a_key_is_made_anew(left: str, tmp_path: Path) -> None:
    (tmp_path / "the data").mkdir()
    (tmp_path / "the data" / "api_key").write_text(left)
    async with FakeUpstream() as upstream, _contained(one_upstream(upstream), tmp_path) as server:
        assert "Your API key" in server.printed
        assert (await server.ask(chat())).status == 401


async def test_other_commands_need_no_key(tmp_path: Path) -> None:
    code, out, err = await _run(tmp_path, "--version")
    assert (code, err) == (0, "")
    assert out.startswith("llms")
    assert not (tmp_path / "the data").exists()


async def test_a_data_directory_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "the data").write_text("a file")
    code, out, err = await _run(tmp_path, "serve")
    assert code != 0
    assert "the data" in err
    assert "Traceback" not in err
    assert "API key" not in out


async def _run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        "sh",
        str(SCRIPT),
        *arguments,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), **_environ(folder, {})},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
