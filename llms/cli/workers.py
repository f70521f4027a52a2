"""Several server processes on one port: forked before the event loop, started again when one dies."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, final

import structlog

from llms.cli.boundary import outcome
from llms.cli.output import fail
from llms.stores.crew import Crew

_log = structlog.get_logger()
_LEAST_REST: Final = 0.5
_MOST_REST: Final = 30.0
"""Seconds before a worker that died is replaced: twice as long each time that one dies young."""
_YOUNG: Final = 10.0
"""Seconds of life."""
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_LONGEST_PATH: Final = 90
"""Bytes, less some digits, of the path of a Unix socket."""

Serve = Callable[[Crew, bool], None]
"""Runs one worker; told whether it replaces another one."""


def supervise(count: int, serve: Serve) -> None:
    """Run `serve` in `count` processes until told to stop."""
    if not hasattr(os, "fork"):
        fail("--workers needs a system that can fork; run without it.")
    folder = _folder()
    try:
        _Parent(folder, count, serve).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    """Make the folder of a crew; exit with a clear message where that cannot be."""
    try:
        folder = tempfile.mkdtemp(prefix="llms-")
    except OSError as error:
        fail(f"--workers needs a folder for its sockets ({error}): set TMPDIR.")
    if len(os.fsencode(folder)) > _LONGEST_PATH:
        os.rmdir(folder)
        fail(f"--workers needs a shorter path for its sockets than {folder}: set TMPDIR.")
    return Path(folder)


def rest_after(before: float, *, lived: float) -> float:
    """Return the seconds before the next start of a worker that lived so long, after a rest of `before`."""
    return min(max(_LEAST_REST, 2 * before), _MOST_REST) if lived < _YOUNG else _LEAST_REST


class _Worker(NamedTuple):
    place: int
    since: float
    rest: float


@final
class _Parent:
    """Keeps the workers running, and passes on what it is told."""

    def __init__(self, folder: Path, count: int, serve: Serve) -> None:
        self._pid = os.getpid()
        self._folder = folder
        self._count = count
        self._serve = serve
        self._workers: dict[int, _Worker] = {}
        self._stopping = False
        self._line = os.pipe()

    def run(self) -> None:
        """Start all of them, and again whichever dies, until the end."""
        for number in _ENDING:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._forward)
        for place in range(self._count):
            self._start(place, rest=0.0)
        while self._workers:
            pid, status = os.wait()
            # Others may be our children as well: of the shell that became us, or, as process 1, all orphans.
            worker = self._workers.pop(pid, None)
            if worker is not None and not self._stopping:
                self._replace(worker, pid, code=os.waitstatus_to_exitcode(status))

    def _replace(self, worker: _Worker, pid: int, *, code: int) -> None:
        rest = rest_after(worker.rest, lived=time.monotonic() - worker.since)
        _log.error("a worker ended; another one takes its place", place=worker.place, pid=pid, code=code, rest=rest)
        self._crew(worker.place).leave()
        self._start(worker.place, rest=rest)

    def _crew(self, place: int) -> Crew:
        return Crew(self._folder, place, self._count)

    def _forward(self, number: int, _: object) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        self._forward(number, frame)

    def _start(self, place: int, *, rest: float) -> None:
        """Fork a worker unless the end has come; a signal in between waits until the worker is known."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, signal.SIGHUP})
        try:
            if not self._stopping:
                pid = os.fork() or self._live(place, rest, mask=before)
                self._workers[pid] = _Worker(place, time.monotonic() + rest, rest)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _live(self, place: int, rest: float, *, mask: set[int | signal.Signals]) -> int:
        """Be a worker, in the forked process, and end with it."""
        # A group of its own: Ctrl-C in the terminal reaches the parent alone, which forwards it once.
        os.setpgid(0, 0)
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        # Until the server listens to it: it reads the newest configuration anyway.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        reader, writer = self._line
        os.close(writer)
        threading.Thread(target=_end_with_parent, args=(reader,), name="parent", daemon=True).start()
        status = 1
        try:
            time.sleep(rest)
            status = outcome(lambda: self._serve(self._crew(place), rest > 0))
        finally:
            if os.getppid() != self._pid:
                shutil.rmtree(self._folder, ignore_errors=True)
            os._exit(status)


def _end_with_parent(reader: int) -> None:
    """End this worker when nobody holds the other end of the pipe any more: a killed parent cannot say so."""
    os.read(reader, 1)
    os.kill(os.getpid(), signal.SIGTERM)
