"""One local model on the event loop's side: loaded on first use, a few chats at a time, the others wait in line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, final

from llms.providers.llama_cpp.answers import LlamaFailures
from llms.providers.llama_cpp.handover import Handover


class Loaded(Protocol):
    """A model in memory; both methods block."""

    def chat(self, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        """Write an answer piece by piece until it is whole or `on_piece` returns True."""
        ...

    def close(self) -> None:
        """Free the memory."""
        ...


@final
class LocalModel:
    """Load, chat, unload; none of it blocks the loop."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        *,
        slots: int,
        unload_after: float | None,
        on_rest: Callable[[], None],
        failures: LlamaFailures,
    ) -> None:
        """Take a blocking `load` and how many `slots` it gives; `unload_after` is in seconds without a chat.

        `on_rest` is called whenever nobody uses the model any more.
        """
        self._load = load
        self._slots = asyncio.Semaphore(slots)
        self._workers = ThreadPoolExecutor(slots, thread_name_prefix="llama")
        self._unload_after = unload_after
        self._on_rest = on_rest
        self._failures = failures
        self._loading: asyncio.Future[Loaded] | None = None
        self._running: set[Handover] = set()
        self._waiting = 0
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def is_loaded(self) -> bool:
        """Tell whether the model is in memory or on its way there."""
        return self._loading is not None and not (self._loading.done() and _result(self._loading) is None)

    @property
    def is_busy(self) -> bool:
        """Tell whether anybody uses the model or waits for it."""
        return bool(self._running or self._waiting)

    async def chat(self, body: bytes) -> AsyncGenerator[list[bytes], None]:
        """Yield the pieces of an answer as they come, several at once for a slow reader.

        A chat that is given up ends at once; its slot goes to the next one when the worker has stopped.
        """
        handover = await self._start(body)
        try:
            while pieces := await self._take(handover):
                yield pieces
            if handover.cut:
                raise self._failures.closed()
        finally:
            handover.stop()

    def unload(self) -> None:
        """Free the memory in a worker; the next chat loads the model again. Nobody may be using it."""
        self._expect_idle(None)
        loaded, self._loading = _result(self._loading), None
        if loaded is not None:
            self._workers.submit(loaded.close)

    async def close(self) -> None:
        """Stop every chat, wait for the workers, free the memory."""
        self._closed = True
        self._expect_idle(None)
        for handover in self._running:
            handover.stop()
        await asyncio.to_thread(self._workers.shutdown)
        loaded, self._loading = _result(self._loading), None
        if loaded is not None:
            await asyncio.to_thread(loaded.close)

    async def _start(self, body: bytes) -> Handover:
        """Wait for a slot and for the model, then set a worker to work."""
        self._expect_idle(None)
        self._waiting += 1
        try:
            await self._slots.acquire()
            try:
                return self._work(await self._loaded(), body)
            except BaseException:
                self._slots.release()
                raise
        finally:
            self._waiting -= 1
            self._rest()

    async def _loaded(self) -> Loaded:
        """Return the model, loading it once for all who wait; a load goes on though they may leave."""
        if self._closed:
            raise self._failures.closed()
        if self._loading is None or not self.is_loaded:
            self._loading = asyncio.get_running_loop().run_in_executor(self._workers, self._load)
        loading = self._loading
        try:
            loaded = await asyncio.shield(loading)
        except Exception as reason:
            if self._loading is loading:
                self._loading = None
            raise self._failures.unloadable(reason) from None
        if self._closed:
            raise self._failures.closed()
        return loaded

    def _work(self, loaded: Loaded, body: bytes) -> Handover:
        handover = Handover(asyncio.get_running_loop(), lambda: self._done(handover))
        self._running.add(handover)
        self._workers.submit(_write, loaded, body, handover)
        return handover

    def _done(self, handover: Handover) -> None:
        self._running.discard(handover)
        self._slots.release()
        self._rest()

    async def _take(self, handover: Handover) -> list[bytes]:
        try:
            return await handover.take()
        except Exception as failure:
            raise self._failures.raised(failure) from None

    def _rest(self) -> None:
        if not self.is_busy and not self._closed:
            self._expect_idle(self._unload_after)
            self._on_rest()

    def _expect_idle(self, seconds: float | None) -> None:
        """Unload in so many seconds if nobody comes; None for not at all."""
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = None if seconds is None else loop.call_later(seconds, self.unload)


def _write(loaded: Loaded, body: bytes, handover: Handover) -> None:
    """Write one answer, in a worker; whatever the library raises is the reader's to tell."""
    try:
        loaded.chat(body, handover.put)
    except Exception as failure:
        handover.end(failure)
    else:
        handover.end()


def _result(loading: asyncio.Future[Loaded] | None) -> Loaded | None:
    """Return the model if it is loaded; looking also keeps a failed load from being reported as overlooked."""
    if loading is None or not loading.done() or loading.cancelled() or loading.exception() is not None:
        return None
    return loading.result()
