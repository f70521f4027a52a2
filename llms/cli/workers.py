"""Several server processes on one port: forked before the event loop, started again when one dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from llms.cli.settings import fail


def supervise(count: int, serve: Callable[[bool], None]) -> None:
    """Run `serve(first)` in `count` processes until told to stop."""
    if not hasattr(os, "fork"):
        fail("--workers needs a system that can fork; run without it.")
    pids: set[int] = set()
    stopping = False

    def forward(number: int, _: object) -> None:
        for pid in pids:
            os.kill(pid, number)

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True
        forward(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, forward)
    for place in range(count):
        pids.add(_fork(serve, first=place == 0))
    while pids:
        try:
            pid, _ = os.wait()
        except InterruptedError:
            continue
        except ChildProcessError:
            break
        pids.discard(pid)
        if not stopping:
            time.sleep(0.5)
            pids.add(_fork(serve, first=False))


def _fork(serve: Callable[[bool], None], *, first: bool) -> int:
    pid = os.fork()
    if pid:
        return pid
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    status = 1
    try:
        serve(first)
        status = 0
    finally:
        os._exit(status)
