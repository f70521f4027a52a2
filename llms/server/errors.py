"""Errors as HTTP answers: one envelope, whatever went wrong and wherever."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from llms.protocol import json
from llms.protocol.envelope import envelope
from llms.protocol.errors import (
    LlmsError,
    MethodNotAllowed,
    QueueFull,
    RequestTooLarge,
    UpstreamAuthenticationFailed,
    UpstreamUnavailable,
)
from llms.protocol.sse import escape_separators

INVALID_HTTP: Final = "invalid_http"
_CLOSING: Final = frozenset({INVALID_HTTP, "request_timeout"})
"""After these nobody knows what follows on the connection."""


def respond(error: LlmsError, headers: Mapping[str, str], *, anthropic: bool = False) -> web.Response:
    """Return the answer to a request that failed before the first byte of its answer.

    Clients of Anthropic's API read errors in its own form only.
    """
    status, text = _in_messages(error, headers["x-request-id"]) if anthropic else (error.http_status, body(error))
    response = web.Response(
        status=status if 400 <= status <= 599 else 500,
        body=text,
        headers={
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            **headers,
            **error_headers(error),
        },
    )
    if isinstance(error, RequestTooLarge) or error.code in _CLOSING:
        response.force_close()
    return response


def _in_messages(error: LlmsError, request_id: str) -> tuple[int, bytes]:
    from llms.protocol.dialects.messages.failures import failure, status_of

    return status_of(error), failure(error, request_id=request_id)


def body(error: LlmsError) -> bytes:
    """Return the JSON text of an error."""
    return escape_separators(json.dumps(envelope(error)))


def error_headers(error: LlmsError) -> dict[str, str]:
    """Return what clients read beside the body: how long to wait, whether to try again, what is allowed."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(0, math.ceil(error.retry_after)))
        if error.retry_after % 1:
            headers["retry-after-ms"] = str(round(error.retry_after * 1000))
    if isinstance(error, UpstreamAuthenticationFailed) or (error.attempts > 1 and error.retry_after is None):
        headers["x-should-retry"] = "false"
    if error.attempts:
        headers["x-llms-provider"] = error.provider
        headers["x-llms-model"] = error.model
        headers["x-llms-attempts"] = str(error.attempts)
    if error.upstream_request_id:
        headers["x-llms-upstream-request-id"] = error.upstream_request_id
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    if isinstance(error, QueueFull):
        headers["x-llms-queue-depth"] = str(error.depth)
    return headers


def stopping() -> LlmsError:
    """Return the error for whoever is turned away, or cut short, because the server ends."""
    return UpstreamUnavailable(
        "The server is shutting down; send the request again.", code="server_stopping", retry_after=1
    )
