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
        event.request_id,
        event.started,
        event.route,
        event.key_id,
        _short(event.asked_model),
        event.provider,
        _short(event.model),
        event.stream,
        event.status,
        event.outcome,
        event.error_code and _short(event.error_code),
        event.window,
        event.finish_reason,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        usage.source,
        event.attempts,
        event.retries,
        event.fallbacks,
        event.chunks,
        event.skipped,
        event.queued,
        event.ttft,
        event.duration,
        _short(event.upstream_request_id),
    )


def _short(name: str) -> str:
    """Bound what a client or an upstream may have made up; a lone surrogate would not fit into a database."""
    return name if len(name) <= _LONGEST_NAME and name.isprintable() else excerpt(name, _LONGEST_NAME)
