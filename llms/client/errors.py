"""Every error of the client.

ClientError                    code, status, param, retry_after, request_id, partial
├── Unreachable                no connection, or no answer on it
├── Refused                    the server answered with an error
│   ├── AuthenticationFailed       401, 403
│   ├── NotFound                   404: the model, or whatever was asked for
│   ├── RateLimited                429
│   └── ServerFailed               5xx
└── StreamBroken               the stream had begun; `partial` is the text so far
    ├── StreamFailed               the server ended it with an error
    └── StreamLost                 the connection was lost, and the stream could not be taken up again

`code` is the server's own, or where the client found out by itself the one that a server has for the same:
`upstream_unreachable`, `upstream_timeout`, `upstream_truncated`, `upstream_protocol_error`, `replay_expired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llms.protocol import json
from llms.protocol.errors import excerpt
from llms.protocol.refusals import patience


class ClientError(Exception):
    """Say what went wrong, in the server's words where it said so."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        request_id: str = "",
        partial: str = "",
    ) -> None:
        """Keep `retry_after` in seconds; `status` is None where no answer came, or the status had been good."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.param = param
        self.retry_after = retry_after
        self.request_id = request_id
        self.partial = partial
        """The text that had arrived; on StreamBroken alone."""


class Unreachable(ClientError):
    """There was no connection, or it broke before the answer began."""


class Refused(ClientError):
    """The server answered with an error."""

    should_retry: bool | None = None
    """What the server said of trying again, where it said anything."""


class AuthenticationFailed(Refused):
    """The key is missing, wrong, or may not do this."""


class NotFound(Refused):
    """There is no such model or object."""


class RateLimited(Refused):
    """Too much for now, or a budget is used up."""


class ServerFailed(Refused):
    """The server, or the upstream behind it, failed."""


class StreamBroken(ClientError):
    """A stream broke after it had begun."""


class StreamFailed(StreamBroken):
    """The server ended the stream with an error."""


class StreamLost(StreamBroken):
    """The connection was lost, and what followed could not be got."""


_BY_STATUS: Mapping[int, type[Refused]] = {
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    404: NotFound,
    429: RateLimited,
}


def refused(status: int, body: bytes, headers: Mapping[str, str], *, now: float) -> Refused:
    """Return the error for an answer that is none; `now` is in Unix seconds."""
    told = _told(body)
    kind = _BY_STATUS.get(status, ServerFailed if status >= 500 else Refused)
    message = told.get("message")
    error = kind(
        message if isinstance(message, str) and message else _plain(status, body),
        code=_text(told.get("code")),
        status=status,
        param=_text(told.get("param")) or None,
        retry_after=patience(headers, now=now),
        request_id=headers.get("x-request-id", ""),
    )
    should_retry = headers.get("x-should-retry")
    error.should_retry = None if should_retry is None else should_retry != "false"
    return error


def stream_failed(told: Mapping[str, Any], *, partial: str, request_id: str) -> StreamFailed:
    """Return the error for the error event of a stream."""
    whole = told.get("partial")
    longer = isinstance(whole, str) and whole.startswith(partial)
    return StreamFailed(
        _text(told.get("message")) or "The server ended the stream with an error.",
        code=_text(told.get("code")),
        param=_text(told.get("param")) or None,
        retry_after=seconds(told.get("retry_after")),
        request_id=request_id,
        partial=str(whole) if longer else partial,
    )


def seconds(value: object) -> float | None:
    """Return a patience that was told in JSON."""
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def _told(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    found = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(found, str):
        return {"message": found}
    return found if isinstance(found, dict) else {}


def _plain(status: int, body: bytes) -> str:
    if 300 <= status < 400:
        return f"The server answered with a redirect (status {status}), which is not followed. Is the address right?"
    words = excerpt(" ".join(body.decode("utf-8", "replace").split()))
    return f"The server answered with status {status}: {words or 'nothing'}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
