"""The lines of requests that ended. Most of a line stands in many, and is rendered once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, final

import orjson

from llms.protocol.events import RequestEnded
from llms.telemetry.lines import Fields, Renderer
from llms.telemetry.redact import Redactor

LONGEST_NAME: Final = 200
"""Characters of a name that somebody else may have made up."""

_MOST_KEPT: Final = 512
_FROM: Final = RequestEnded._fields.index("request_id") + 1
_TO: Final = RequestEnded._fields.index("chunks")
"""Between them stands what requests share: where they came in, who asked, who answered, how it went."""


@final
class RequestLines:
    """Render as the general renderer does; in JSON, only times, counts and ids are looked at each time."""

    def __init__(self, render: Renderer, json: Redactor | None) -> None:
        """Take the general renderer and, where it writes JSON, what it keeps out of its lines."""
        self._render = render
        self._json = json
        self._kept: dict[tuple[Any, ...], bytes] = {}
        self._needles: tuple[bytes, ...] = ()
        self._second = 0
        self._shown = b""

    def __call__(self, ended: Sequence[RequestEnded]) -> bytes:
        """Return a line for each, line breaks and all."""
        redactor = self._json
        own = _plain_json(ended, redactor) if redactor is not None else None
        if redactor is None or own is None:
            return b"".join([self._general(event) for event in ended])
        if self._needles is not redactor.needles:
            self._kept.clear()
            self._needles = redactor.needles
        return b"".join([self._line(event, rest) for event, rest in zip(ended, own, strict=True)])

    def _general(self, event: RequestEnded) -> bytes:
        fields: Fields = {**_shared(event), **_own(event)}
        if self._json is not None:
            fields["time"] = datetime.fromtimestamp(_end(event), UTC)
        return self._render(None, level_of(event), fields) + b"\n"

    def _line(self, event: RequestEnded, own: bytes) -> bytes:
        key = (event[_FROM:_TO], event.usage.source)
        shared = self._kept.get(key) or self._keep(key, event)
        end = _end(event)
        second = int(end)
        if second != self._second:
            self._second, self._shown = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}".encode()
        return b'{"time":"%b.%06dZ"%b%b\n' % (self._shown, (end - second) * 1e6, shared, own[1:])

    def _keep(self, key: tuple[Any, ...], event: RequestEnded) -> bytes:
        """Render what is shared, from the level on; keep it unless a stranger's name makes it large."""
        line = self._render(None, level_of(event), _shared(event))
        shared = line[line.index(b",") : -1] + b","
        if len(event.asked_model) <= LONGEST_NAME:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = shared
        return shared


def level_of(event: RequestEnded) -> Literal["info", "warning"]:
    """Return the level of a request's line: a failure that is not the client's stands out."""
    failed = event.outcome == "truncated" or (event.outcome == "error" and not 400 <= event.status < 500)
    return "warning" if failed else "info"


def _end(event: RequestEnded) -> float:
    """Return the Unix time of the end."""
    return event.started + event.duration


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


def _plain_json(ended: Sequence[RequestEnded], redactor: Redactor) -> list[bytes] | None:
    """Encode what each has of its own; None where a sign would have to be escaped or masked."""
    try:
        own = [orjson.dumps(_own(event)) for event in ended]
    except TypeError:
        return None
    text = b"".join(own)
    return own if text.isascii() and b"\x7f" not in text and redactor.finds_nothing(text) else None


def milliseconds(seconds: float) -> float:
    """Return a time for people: to a tenth of a millisecond."""
    return int(seconds * 1e4 + 0.5) / 10
