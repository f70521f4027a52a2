"""End in order on Ctrl-C and SIGTERM: KeyboardInterrupt once, wherever the program is."""

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

import uvloop

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Result = TypeVar("Result")


def raise_on_signals() -> None:
    """Turn the first signal into KeyboardInterrupt and ignore the later ones, so that the ending is not cut."""
    for number in SIGNALS:
        signal.signal(number, _raise)


def _raise(number: int, frame: FrameType | None) -> None:
    for known in SIGNALS:
        signal.signal(known, signal.SIG_IGN)
    raise KeyboardInterrupt


def run_interruptible(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on a loop of its own; a signal cancels it and leaves as KeyboardInterrupt.

    An exception raised by a signal's handler within a protocol's callback would be logged and lost there.
    """
    interrupted = False

    async def guarded() -> Result:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)

        def cancel(number: int, frame: FrameType | None) -> None:
            nonlocal interrupted
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)

        before = {number: signal.signal(number, cancel) for number in SIGNALS}
        try:
            return await task
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    try:
        return uvloop.run(guarded())
    except asyncio.CancelledError:
        if interrupted:
            _raise(0, None)
        raise
