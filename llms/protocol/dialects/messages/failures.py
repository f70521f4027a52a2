"""Errors as Anthropic words them: a type for each status (API reference, "Errors")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol import json
from llms.protocol.errors import ContextLengthExceeded, LlmsError, UpstreamOverloaded, UpstreamUnavailable
from llms.protocol.sse import escape_separators

_OVERLOADED: Final = 529
_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    _OVERLOADED: "overloaded_error",
}
_TOO_LONG: Final = "prompt is too long"
"""By these words clients know that they have to shorten the conversation."""


def status_of(error: LlmsError) -> int:
    """Return the status of an error; all that says "later" is 529, as clients expect it."""
    if error.http_status == 503 and isinstance(error, UpstreamOverloaded | UpstreamUnavailable):
        return _OVERLOADED
    return error.http_status


def failure(error: LlmsError, *, request_id: str) -> bytes:
    """Return the JSON text of an error."""
    status = status_of(error)
    kind = _TYPES.get(status) or ("invalid_request_error" if 400 <= status < 500 else "api_error")
    message = error.message
    if isinstance(error, ContextLengthExceeded) and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    told: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    return escape_separators(json.dumps(told))
