"""Accounting: every request that ended becomes one row of the usage store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from llms.protocol.chat import Usage
from llms.protocol.errors import excerpt
from llms.protocol.events import Event, RequestEnded
from llms.stores.base import UsageRow

_LONGEST_NAME: Final = 200
_FACTS: Final = RequestEnded._fields.index("usage")
_COUNTS: Final = Usage._fields.index("source") + 1


@final
class UsageRecorder:
    """Observe requests and hand each to a store, `add` being the store's."""

    def __init__(self, add: Callable[[UsageRow], None]) -> None:
        self._add = add

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestEnded):
            self._add(_row(event))


def _row(event: RequestEnded) -> UsageRow:
    row = UsageRow._make(event[:_FACTS] + event.usage[:_COUNTS])
    names = f"{event.asked_model}{event.model}{event.error_code}{event.upstream_request_id}"
    return row if _is_short(names) else _storable(row)


def _storable(row: UsageRow) -> UsageRow:
    """Bound what a client or an upstream may have made up; a lone surrogate would not fit into a database."""
    return row._replace(
        asked_model=_short(row.asked_model),
        model=_short(row.model),
        error_code=row.error_code and _short(row.error_code),
        upstream_request_id=_short(row.upstream_request_id),
    )


def _short(name: str) -> str:
    return name if _is_short(name) else excerpt(name, _LONGEST_NAME)


def _is_short(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and name.isprintable()
