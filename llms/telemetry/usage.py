"""Accounting: every request that ended becomes one row of the usage store."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from llms.protocol.errors import excerpt
from llms.protocol.events import Event, RequestEnded
from llms.stores.base import UsageRow

_LONGEST_NAME = 200


@final
class UsageRecorder:
    """Observe requests and hand each to a store, `add` being the store's."""

    def __init__(self, add: Callable[[UsageRow], None]) -> None:
        self._add = add

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestEnded):
            self._add(_row(event))


def _row(event: RequestEnded) -> UsageRow:
    usage = event.usage
    return UsageRow(
        request_id=event.request_id,
        started=event.started,
        route=event.route,
        key_id=event.key_id,
        asked_model=_short(event.asked_model),
        provider=event.provider,
        model=_short(event.model),
        stream=event.stream,
        status=event.status,
        outcome=event.outcome,
        error_code=event.error_code and _short(event.error_code),
        window=event.window,
        finish_reason=event.finish_reason,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        usage_source=usage.source,
        attempts=event.attempts,
        retries=event.retries,
        fallbacks=event.fallbacks,
        chunks=event.chunks,
        skipped=event.skipped,
        queued=event.queued,
        ttft=event.ttft,
        duration=event.duration,
        upstream_request_id=_short(event.upstream_request_id),
    )


def _short(name: str) -> str:
    """Bound what a client or an upstream may have made up; a lone surrogate would not fit into a database."""
    return name if len(name) <= _LONGEST_NAME and name.isprintable() else excerpt(name, _LONGEST_NAME)
