"""The account of one request: what is known of it so far, told to the observers once, at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import final

from llms.protocol.chat import ChatRequest, Usage
from llms.protocol.embeddings import EmbeddingRequest
from llms.protocol.errors import Cancelled, LlmsError, UpstreamTruncated
from llms.protocol.events import AttemptFailed, CacheResult, Observer, Outcome, RequestEnded, Window
from llms.protocol.passthrough import PassRequest
from llms.routing.retry import Kind


@final
class Exchange:
    """Gather the facts of one request while it runs."""

    provider = ""
    model = ""
    """The upstream's model id; empty while no target was tried."""
    upstream_request_id = ""
    attempts = 0
    retries = 0
    fallbacks = 0
    chunks = 0
    skipped = 0
    queued = 0.0
    overhead = 0.0
    answered: float | None = None
    """Until a whole answer had arrived that is told in the same call."""
    ttft: float | None = None
    finish_reason: str | None = None
    usage = Usage()
    error: LlmsError | None = None
    finished = False
    hidden = False
    """It is told in the accounts of other exchanges."""
    repeatable = True
    """Another attempt can ask for the same."""
    window: Window = "before_first_chunk"
    cache: CacheResult = ""
    _ended = False

    def __init__(
        self,
        request: ChatRequest | EmbeddingRequest | PassRequest,
        *,
        route: str,
        key_id: str,
        stream: bool,
        started: float,
        clock: Callable[[], float],
        observers: Iterable[Observer],
        live: set[Exchange],
    ) -> None:
        """Begin now and stand in `live` until the end; `started` is Unix seconds, `clock` monotonic seconds."""
        self._live = live
        live.add(self)
        self._clock = clock
        self._observers = observers
        self._start = clock()
        self.request_id = request.request_id
        self.asked_model = request.model
        self.route = route
        self.key_id = key_id
        self.stream = stream
        self.started = started

    def elapsed(self) -> float:
        """Return the seconds since the request began."""
        return self._clock() - self._start

    def attempted(self, provider: str, model: str, kind: Kind) -> None:
        """Note that an attempt begins."""
        self.provider, self.model = provider, model
        self.attempts += 1
        if kind == "retry":
            self.retries += 1
        elif kind == "fallback":
            self.fallbacks += 1

    def attempt_failed(self, kind: Kind, seconds: float, error: LlmsError) -> None:
        """Tell the observers of a failed attempt."""
        event = AttemptFailed(self.provider, self.model, self.attempts, kind, error.code, seconds)
        for observe in self._observers:
            observe(event)

    def failed(self, failure: BaseException) -> None:
        """End with what was raised before any answer: an error of ours, or the client's leaving."""
        if isinstance(failure, LlmsError):
            self.error = failure
            failure.attempts = self.attempts
            failure.provider, failure.model = self.provider, self.model
        elif not isinstance(failure, asyncio.CancelledError | GeneratorExit):
            self.error = LlmsError(type(failure).__name__)
        self.end(committed=False)

    @property
    def is_over(self) -> bool:
        """Tell whether it has ended."""
        return self._ended

    def forget(self) -> None:
        """Take back that it began; nobody is told."""
        self._ended = True
        self._live.discard(self)

    def end(self, *, committed: bool) -> None:
        """Tell the observers, once, how the request went."""
        if self._ended:
            return
        self._ended = True
        self._live.discard(self)
        if self.hidden:
            return
        outcome, status = self._outcome(committed)
        duration = self.elapsed()
        event = RequestEnded(  # by position: names cost as much again as all the rest
            self.request_id,
            self.route,
            self.key_id,
            self.asked_model,
            self.provider,
            self.model,
            self.stream,
            status,
            outcome,
            self.error.code if self.error is not None else None,
            self.window if outcome == "cancelled" else None,
            self.attempts,
            self.retries,
            self.fallbacks,
            self.finish_reason,
            self.chunks,
            self.skipped,
            self.started,
            self.queued,
            self.ttft,
            duration,
            self.upstream_request_id,
            self.usage,
            self.overhead,
            self.cache,
            None if self.answered is None else duration - self.answered,
        )
        for observe in self._observers:
            observe(event)

    def _outcome(self, committed: bool) -> tuple[Outcome, int]:
        if self.error is not None and not isinstance(self.error, Cancelled):
            status = 200 if committed else self.error.http_status
            return ("truncated" if isinstance(self.error, UpstreamTruncated) else "error"), status
        if self.finished:
            return "ok", 200
        return "cancelled", 200 if committed else 499


def streams_among(live: Collection[Exchange]) -> int:
    """Return how many are streams."""
    return sum(exchange.stream for exchange in live)
