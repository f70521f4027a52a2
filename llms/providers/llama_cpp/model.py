"""One local model: a process of its own, begun at first use; a few chats at a time; a new process when it dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, final

import structlog

from llms.protocol.errors import LlmsError
from llms.protocol.local import Phase
from llms.protocol.progress import Progress
from llms.providers.llama_cpp.answers import LlamaFailures
from llms.providers.llama_cpp.frames import CHAT, EMBED
from llms.providers.llama_cpp.handover import Handover
from llms.providers.llama_cpp.load import Load
from llms.providers.llama_cpp.restarts import Restarts
from llms.providers.llama_cpp.worker import Gone, Unloaded, Worker
from llms.tasks import Tasks

_log = structlog.get_logger()


@final
class LocalModel:
    """Load, chat, unload; whatever native code does to itself ends a child process and nothing else."""

    def __init__(
        self,
        wanted: Load,
        *,
        unload_after: float | None,
        on_rest: Callable[[], None],
        failures: LlamaFailures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what to load; `unload_after` is in seconds without a request.

        `on_rest` is called whenever nobody uses the model any more.
        """
        self._wanted = wanted
        self._unload_after = unload_after
        self._on_rest = on_rest
        self._failures = failures
        self._tasks = Tasks()
        self._slots = asyncio.Semaphore(wanted.slots)
        self._restarts = Restarts(clock)
        self._worker: Worker | None = None
        self._loading: asyncio.Task[Exception | None] | None = None
        self._ending: set[asyncio.Task[Any]] = set()
        """Processes on their way out of memory."""
        self._running = self._waiting = 0
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False
        self.trouble = ""
        """Why the model did not load or died, until it is loaded again."""

    @property
    def is_loaded(self) -> bool:
        """Tell whether the model is in memory or on its way there."""
        return self._worker is not None or self._loading is not None

    @property
    def is_busy(self) -> bool:
        """Tell whether anybody uses the model or waits for it."""
        return bool(self._running or self._waiting)

    @property
    def state(self) -> Phase:
        """Return what the model is doing."""
        if self._loading is not None:
            return "loading"
        if self._worker is not None:
            return "loaded"
        return "failed" if self.trouble else "unloaded"

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return what only a loaded model knows."""
        return self._worker.facts if self._worker is not None else {}

    @property
    def pid(self) -> int | None:
        """Return the number of its process while it is loaded."""
        return self._worker.pid if self._worker is not None else None

    @property
    def memory(self) -> int | None:
        """Return the bytes that its process has in memory; None while that is unknown."""
        return self._worker.memory if self._worker is not None else None

    async def chat(self, body: bytes, progress: Progress | None = None) -> AsyncGenerator[list[bytes], None]:
        """Yield the pieces of an answer as they come, several at once for a slow reader.

        A chat that is given up ends at once; its slot goes to the next one when the child has stopped.
        """
        worker, handover = await self._ask(CHAT, body, progress)
        try:
            while pieces := await self._take(handover):
                yield pieces
        finally:
            worker.stop(handover)

    async def embed(self, body: bytes, progress: Progress | None = None) -> bytes:
        """Return the library's answer to a request for embeddings."""
        answer: list[bytes] = []
        worker, handover = await self._ask(EMBED, body, progress)
        try:
            while pieces := await self._take(handover):
                answer += pieces
        finally:
            worker.stop(handover)
        return b"".join(answer)

    async def load(self, progress: Progress | None = None) -> None:
        """Load the model unless it is there; raise what a chat would raise."""
        with self._wanting():
            await self._loaded(progress)

    async def unload(self) -> None:
        """End the process, and with it every request at it; return when its memory is free."""
        self._let_go()
        if self._ending:
            await asyncio.wait(self._ending)

    async def close(self) -> None:
        """Stop every request, refuse those in line, and free the memory."""
        self._closed = True
        await self.unload()
        await self._tasks.close()

    async def _ask(self, kind: int, body: bytes, progress: Progress | None) -> tuple[Worker, Handover]:
        """Wait for a slot and for the model, then set the child to work."""
        with self._wanting():
            await self._slots.acquire()
            try:
                worker = await self._loaded(progress)
            except BaseException:
                self._slots.release()
                raise
            self._running += 1
            return worker, worker.ask(kind, body)

    @contextmanager
    def _wanting(self) -> Generator[None, None, None]:
        self._expect_idle(None)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._rest()

    async def _loaded(self, progress: Progress | None) -> Worker:
        """Return the model's process, begun once for all who wait; a load goes on though they may leave."""
        if self._closed:
            raise self._failures.closed()
        if self._worker is not None:
            return self._worker
        loading = self._begin() if self._loading is None else self._loading
        if progress is not None:
            progress.state("loading")
        await asyncio.wait([loading])
        if progress is not None:
            progress.state(None)
        if not loading.cancelled() and (reason := loading.result()) is not None:
            is_dead = isinstance(reason, Gone)
            raise self._failures.gone(str(reason)) if is_dead else self._failures.unloadable(reason)
        if self._worker is None:
            raise self._failures.gone(self.trouble) if self.trouble else self._failures.closed()
        return self._worker

    def _begin(self) -> asyncio.Task[Exception | None]:
        if wait := self._restarts.wait:
            raise self._failures.resting(self.trouble, wait)
        self._loading = self._tasks.spawn(self._load(), name=f"load {self._failures.label}")
        return self._loading

    async def _load(self) -> Exception | None:
        """Load the model into a process of its own, the one before it being gone; return what went wrong."""
        if self._ending:
            await asyncio.wait(self._ending)
        worker = Worker(self._wanted, on_over=self._over, on_gone=lambda cause: self._gone(worker, cause))
        try:
            await worker.load()
        except asyncio.CancelledError:
            await worker.close()
            raise
        except Exception as reason:
            await worker.close()
            self._fail(reason)
            return reason
        self._worker, self._loading, self.trouble = worker, None, ""
        self._restarts.went_well()
        _log.info("local model loaded", model=self._failures.label, seconds=round(worker.load_seconds, 2))
        self._rest()
        return None

    def _fail(self, reason: Exception) -> None:
        self._loading = None
        self.trouble = str(reason)
        if isinstance(reason, Gone):
            self._restarts.crashed()
            _log.warning("local model died while loading", model=self._failures.label, cause=self.trouble)
        else:
            self._restarts.went_well()
        self._rest()

    def _gone(self, worker: Worker, cause: str) -> None:
        """Note that the process died; the next request begins another one."""
        if worker is self._worker:
            self._worker = None
            self.trouble = cause
            _log.warning("local model died", model=self._failures.label, cause=cause)
            self._rest()

    def _over(self) -> None:
        """Take back the slot of a chat that is over."""
        self._running -= 1
        self._slots.release()
        self._rest()

    async def _take(self, handover: Handover) -> list[bytes]:
        try:
            return await handover.take()
        except (Gone, Unloaded, ValueError, RuntimeError) as reason:
            raise self._error(reason) from None

    def _error(self, reason: Exception) -> LlmsError:
        if isinstance(reason, Gone):
            return self._failures.gone(str(reason))
        if isinstance(reason, Unloaded):
            return self._failures.closed()
        return self._failures.raised(reason)

    def _let_go(self) -> None:
        """Begin to unload."""
        self._expect_idle(None)
        loading, worker = self._loading, self._worker
        self._loading, self._worker, self.trouble = None, None, ""
        if loading is not None:
            loading.cancel()
            self._leave(loading)
        if worker is not None:
            self._leave(self._tasks.spawn(worker.close(), name=f"unload {self._failures.label}"))

    def _leave(self, ending: asyncio.Task[Any]) -> None:
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _rest(self) -> None:
        if not self.is_busy and not self._closed:
            self._expect_idle(self._unload_after if self.is_loaded else None)
            self._on_rest()

    def _expect_idle(self, seconds: float | None) -> None:
        """Unload in so many seconds if nobody comes; None for not at all."""
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = None if seconds is None else loop.call_later(seconds, self._let_go)
