"""The command line as a person meets it, in an empty home."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
import structlog

from llms.cli.boundary import outcome
from llms.cli.main import verbs

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

ECHO = """
providers:
  a: {type: echo, models: [one, two]}
"""
"""A configuration whose one provider says what it was told."""


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Home:
    """An empty home and working directory."""

    path: Path

    def write(self, text: str, name: str = "providers.yaml") -> Path:
        """Write a file into the working directory."""
        target = self.path / name
        target.write_text(text, encoding="utf-8")
        return target

    def environ(self, **more: str) -> dict[str, str]:
        """Return an environment without any key or address."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "XDG_CONFIG_HOME": str(self.path / "config"),
            "LLMS_DATA_DIR": str(self.path / "data"),
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            **more,
        }

    async def start(
        self, *args: str, environ: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> asyncio.subprocess.Process:
        """Start the command line in a process of its own; the command `before` becomes it."""
        return await asyncio.create_subprocess_exec(
            *before,
            sys.executable,
            "-m",
            "llms",
            *args,
            cwd=self.path,
            env=self.environ(**(environ or {})),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
def llms(home: Home, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command line to its end in this process: a start of Python for each would be most of the time."""

    def here(args: tuple[str, ...], stdin: bytes, environ: dict[str, str]) -> Ended:
        typed = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        surroundings = patch.dict(os.environ, home.environ(**environ), clear=True)
        with surroundings, chdir(home.path), patch.object(sys, "stdin", typed):
            capsys.readouterr()
            code = outcome(lambda: verbs.main(list(args), prog_name="llms", standalone_mode=False))
            out, err = capsys.readouterr()
        assert "Traceback" not in err, err
        return Ended(code, out, err)

    async def run(*args: str, stdin: bytes = b"", **environ: str) -> Ended:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.to_thread(here, args, stdin, environ)

    with logging_as_it_was():
        yield run


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """Undo what a verb does to the log of its process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("llms").setLevel(logging.NOTSET)
        structlog.reset_defaults()


@pytest.fixture
def llms_apart(home: Home) -> Run:
    """Run the command line to its end in a process of its own."""

    async def run(*args: str, stdin: bytes = b"", **environ: str) -> Ended:
        return await ended(await home.start(*args, environ=environ), stdin=stdin)

    return run


async def ended(process: asyncio.subprocess.Process, *, stdin: bytes = b"") -> Ended:
    """Wait for the end of a process, which is killed when it takes too long; nothing may end in a traceback."""
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(f"no end within {PATIENCE:g} s: {out!r} {err!r}") from None
    assert b"Traceback" not in err, err.decode()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@dataclass
class Server:
    """A running `llms serve`."""

    url: str
    """Its base address, without a path."""
    announced: str
    process: asyncio.subprocess.Process

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Tell it to end and wait for that."""
        self.process.send_signal(number)
        return await ended(self.process)


Serve = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serve(home: Home) -> Serve:
    """Run `llms serve` on a free port until left."""

    @asynccontextmanager
    async def run(*args: str, before: Sequence[str] = (), **environ: str) -> AsyncIterator[Server]:
        process = await home.start("serve", "--port", "0", *args, environ=environ, before=before)
        try:
            announced = await _announced(process)
            url = next(word for word in announced.split() if word.startswith("http://") and word.endswith("/v1"))
            yield Server(url.removesuffix("/v1"), announced, process)
        finally:
            if process.returncode is None:
                process.terminate()
                await ended(process)

    return run


async def _announced(process: asyncio.subprocess.Process) -> str:
    """Read what a server prints until the line to copy, which is its last."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while not lines or not lines[-1].strip().startswith("curl "):
            line = await process.stdout.readline()
            if not line:
                raise AssertionError(f"the server did not start: {lines} {(await ended(process)).err}")
            lines.append(line.decode())
    return "".join(lines)
