"""Start a process, wait until it is ready, and end it with all that it started."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.cores import on_core

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 30.0
READY_POLL_S = 0.005
END_WITHIN_S = 8.0
LOG_LINES_SHOWN = 4
KEPT_VARIABLES = ("PATH", "LANG", "LD_LIBRARY_PATH")

Command = Callable[[int, int, Path], list[str]]  # (port, the upstream's port, a folder for its files)


class PeerFailed(Exception):
    """A process did not get ready; the text says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """A started process; `ready_s` is the time from its start to the first 200 of GET /ready."""

    name: str
    port: int
    pid: int
    ready_s: float


@contextmanager
def started(name: str, command: Command, *, upstream_port: int, folder: Path, core: int | None) -> Iterator[Running]:
    """Run one process for the time of the block; PeerFailed when it does not get ready."""
    folder.mkdir(parents=True)
    port, log = free_port(), folder / "log"
    arguments = command(port, upstream_port, folder)
    process = None
    try:
        began = time.perf_counter()
        process = _spawn(arguments, log=log, core=core)
        _wait_until_ready(process, port=port, log=log)
        yield Running(name, port, process.pid, time.perf_counter() - began)
    finally:
        if process is not None:
            _end_tree(process)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def own_environment(folder: Path) -> dict[str, str]:
    """Give a process this repository's code, a home of its own, and none of the user's settings."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "HOME": str(folder), "LLMS_DATA_DIR": str(folder / "state")}


def _spawn(arguments: list[str], *, log: Path, core: int | None) -> subprocess.Popen[bytes]:
    with log.open("wb") as output, on_core(core):
        return subprocess.Popen(
            arguments,
            cwd=log.parent,
            env=own_environment(log.parent),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches this program alone, which ends its processes itself
        )


def _wait_until_ready(process: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
    end = time.monotonic() + READY_WITHIN_S
    seen = "no connection"
    while time.monotonic() < end:
        if process.poll() is not None:
            raise PeerFailed(f"ended with code {process.returncode} before it was ready{_last_lines(log)}")
        try:
            seen = f"GET /ready answered {_ready_status(port)}"
            if seen.endswith(" 200"):
                return
        except (OSError, HTTPException) as problem:
            seen = repr(problem)
        time.sleep(READY_POLL_S)
    raise PeerFailed(f"not ready after {READY_WITHIN_S:g} s ({seen}){_last_lines(log)}")


def _ready_status(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status
    finally:
        connection.close()


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
    return "".join(f"\n    | {line}" for line in lines)


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, then end what is left of it and of its descendants."""
    try:
        root = psutil.Process(process.pid)
        tree = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        tree = []
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for member in tree:
        if member.is_running():  # compares the start time, so a reused number is safe
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
