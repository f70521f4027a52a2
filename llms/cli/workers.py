"""Several server processes on one port: forked before the event loop, started again when one dies."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

from llms.cli.boundary import outcome
from llms.cli.output import fail

_REST: Final = 0.5
"""Seconds before a worker that died is replaced."""
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def supervise(count: int, serve: Callable[[bool], None]) -> None:
    """Run `serve(first)` in `count` processes until told to stop."""
    if not hasattr(os, "fork"):
        fail("--workers needs a system that can fork; run without it.")
    pids: set[int] = set()
    stopping = False

    def forward(number: int, _: object) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True
        forward(number, frame)

    for number in _ENDING:
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, forward)
    line = os.pipe()
    for place in range(count):
        _start(pids, serve, line, first=place == 0, wanted=lambda: not stopping)
    while pids:
        pid, _ = os.wait()
        pids.discard(pid)
        if not stopping:
            time.sleep(_REST)
            _start(pids, serve, line, first=False, wanted=lambda: not stopping)


def _start(
    pids: set[int], serve: Callable[[bool], None], line: tuple[int, int], *, first: bool, wanted: Callable[[], bool]
) -> None:
    """Fork a worker unless the end has come; a signal in between waits until the worker is known."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, signal.SIGHUP})
    try:
        if wanted():
            pids.add(_fork(serve, line, first=first, mask=before))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _fork(serve: Callable[[bool], None], line: tuple[int, int], *, first: bool, mask: set[int | signal.Signals]) -> int:
    pid = os.fork()
    if pid:
        return pid
    # A group of its own: Ctrl-C in the terminal reaches the parent alone, which forwards it once.
    os.setpgid(0, 0)
    for number in (*_ENDING, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    reader, writer = line
    os.close(writer)
    threading.Thread(target=_end_with_parent, args=(reader,), name="parent", daemon=True).start()
    status = 1
    try:
        status = outcome(lambda: serve(first))
    finally:
        os._exit(status)


def _end_with_parent(reader: int) -> None:
    """End this worker when nobody holds the other end of the pipe any more: a killed parent cannot say so."""
    os.read(reader, 1)
    os.kill(os.getpid(), signal.SIGTERM)
