"""Other servers of ours, for scenarios that need one of their own: what they take counts as ours."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.cores import on_core
from benchmarks.launch import END_WITHIN_S, READY_POLL_S, READY_WITHIN_S, Command, PeerFailed, Running, free_port
from benchmarks.launch import started as start
from benchmarks.peers import OURS, our_command

REDIS, UNUSED = "resumable-redis", "never-resumable"
STANDINS = (REDIS, UNUSED)
"""The scenarios; each one's server is named like it."""


@contextmanager
def standin(
    scenario: str, *, upstream_port: int, folder: Path, cores: tuple[int | None, int | None]
) -> Iterator[Running]:
    """Run the server of a scenario, and its Redis where it has one; `cores` are the load's and the proxies'."""
    load, proxy = cores
    if scenario == UNUSED:
        with _ours(our_command, upstream_port, folder, proxy) as server:
            yield server
        return
    folder.mkdir(parents=True)
    with _redis(folder, load) as url, _ours(_sharing(url), upstream_port, folder / "server", proxy) as server:
        yield server


def _ours(command: Command, upstream_port: int, folder: Path, core: int | None) -> AbstractContextManager[Running]:
    return start(OURS, command, upstream_port=upstream_port, folder=folder, core=core)


def _sharing(url: str) -> Command:
    def command(port: int, upstream_port: int, folder: Path) -> list[str]:
        arguments = our_command(port, upstream_port, folder)
        config = folder / "providers.yaml"
        config.write_text(f"{config.read_text()}stores: {{state: '{url}'}}\n")
        return arguments

    return command


@contextmanager
def _redis(folder: Path, core: int | None) -> Iterator[str]:
    """Run a redis-server that keeps nothing on disk; PeerFailed when it is not installed or does not get ready."""
    program = shutil.which("redis-server")
    if program is None:
        raise PeerFailed("redis-server is not installed")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with on_core(core):
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_until_it_listens(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_listens(port: int) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(READY_POLL_S)
    raise PeerFailed("redis-server did not get ready")
