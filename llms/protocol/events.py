"""What happens to a request, told as immutable events to observers (log, metrics, usage rows, routing statistics)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from llms.protocol.chat import Usage

Outcome = Literal["ok", "error", "truncated", "cancelled"]
CacheResult = Literal["", "hit", "miss"]
"""Whether an answer was kept; empty where none are."""
Window = Literal["queued", "before_first_chunk", "streaming", "whole_answer"]
"""Where a request stood when its client left."""


class AttemptFailed(NamedTuple):
    """One attempt at one target failed before its first chunk. Times are in seconds of a monotonic clock."""

    provider: str
    model: str
    attempt: int
    """1 for the first of the request."""
    kind: Literal["first", "retry", "fallback"]
    error_code: str
    seconds: float
    """Until the failure."""


class RequestEnded(NamedTuple):
    """One request is over, however it ended. Times are in seconds of a monotonic clock."""

    request_id: str
    route: str
    key_id: str
    """Name of the caller's key, never the key; empty without one."""
    asked_model: str
    provider: str
    model: str
    """The upstream's model id; empty when no target was reached."""
    stream: bool
    status: int
    outcome: Outcome
    error_code: str | None
    window: Window | None
    """Set when the client left."""
    attempts: int
    retries: int
    fallbacks: int
    finish_reason: str | None
    chunks: int
    skipped: int
    """Malformed upstream events left out of the stream."""
    started: float
    """Unix time of the request."""
    queued: float
    ttft: float | None
    """Until the first chunk; None when none came."""
    duration: float
    upstream_request_id: str
    usage: Usage
    overhead: float = 0.0
    """Our own time before the first attempt was sent, waits in a queue left out."""
    cache: CacheResult = ""
    after_upstream: float | None = None
    """Our own time after a whole answer's last byte, until it was written; None where it was not told at once."""


class HttpEnded(NamedTuple):
    """One HTTP exchange that was no model call is over (a page, a list, a refusal)."""

    request_id: str
    method: str
    path: str
    status: int
    error_code: str | None
    duration: float


Event = AttemptFailed | RequestEnded | HttpEnded
Observer = Callable[[Event], None]
"""An observer never raises and never blocks."""
