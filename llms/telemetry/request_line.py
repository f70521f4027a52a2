"""The line of a request that ended. Most of it stands in many lines, and is rendered once for all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, final

import orjson

from llms.protocol.events import RequestEnded
from llms.telemetry.lines import Fields, Renderer
from llms.telemetry.redact import Redactor

LONGEST_NAME: Final = 200
"""Characters of a name that somebody else may have made up."""

_MOST_KEPT: Final = 512
_FROM: Final = RequestEnded._fields.index("request_id") + 1
_TO: Final = RequestEnded._fields.index("usage")
"""Between them stands what requests share: where they came in, who asked, who answered, how it went."""


@final
class RequestLine:
    """Render as the general renderer does; in JSON, only times, counts and ids are looked at each time."""

    def __init__(self, render: Renderer, json: Redactor | None) -> None:
        """Take the general renderer and, where it writes JSON, what it keeps out of its lines."""
        self._render = render
        self._json = json
        self._kept: dict[tuple[Any, ...], bytes] = {}
        self._needles = json.needles if json is not None else ()

    def __call__(self, level: str, event: RequestEnded) -> bytes:
        redactor = self._json
        own = _plain_json(_own(event)) if redactor is not None else None
        if redactor is None or own is None:
            return self._render(None, level, {**_shared(event), **_own(event)})
        if self._needles is not redactor.needles:
            self._kept.clear()
            self._needles = redactor.needles
        key = (level, event.usage.source, *event[_FROM:_TO])
        shared = self._kept.get(key) or self._keep(key, level, event)
        return b"".join(
            (b'{"time":', orjson.dumps(datetime.now(UTC), option=orjson.OPT_UTC_Z), shared, redactor.json(own)[1:])
        )

    def _keep(self, key: tuple[Any, ...], level: str, event: RequestEnded) -> bytes:
        """Render what is shared, from the level on; keep it unless a stranger's name makes it large."""
        line = self._render(None, level, _shared(event))
        shared = line[line.index(b",") : -1] + b","
        if len(event.asked_model) <= LONGEST_NAME:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = shared
        return shared


def _shared(event: RequestEnded) -> Fields:
    fields: Fields = {
        "event": "request",
        "route": event.route,
        "key_id": event.key_id,
        "asked_model": event.asked_model[:LONGEST_NAME],
        "provider": event.provider,
        "model": event.model[:LONGEST_NAME],
        "stream": event.stream,
        "status": event.status,
        "outcome": event.outcome,
        "error_code": event.error_code and event.error_code[:LONGEST_NAME],
        "finish_reason": event.finish_reason,
        "usage": event.usage.source,
        "attempts": event.attempts,
    }
    if event.window is not None:
        fields["window"] = event.window
    return fields


def _own(event: RequestEnded) -> Fields:
    ttft = event.ttft
    return {
        "request_id": event.request_id,
        "duration_ms": milliseconds(event.duration),
        "ttft_ms": None if ttft is None else milliseconds(ttft),
        "queued_ms": milliseconds(event.queued),
        "tokens_in": event.usage.prompt_tokens,
        "tokens_out": event.usage.completion_tokens,
        "upstream_request_id": event.upstream_request_id[:LONGEST_NAME],
    }


def _plain_json(fields: Fields) -> bytes | None:
    """Encode; None where a sign would have to be escaped."""
    try:
        encoded = orjson.dumps(fields)
    except TypeError:
        return None
    return encoded if encoded.isascii() and b"\\" not in encoded and b"\x7f" not in encoded else None


def milliseconds(seconds: float) -> float:
    """Return a time for people: to a tenth of a millisecond."""
    return int(seconds * 1e4 + 0.5) / 10
