"""Errors as HTTP answers: one envelope, whatever went wrong and wherever."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiohttp import web

from llms.protocol import json
from llms.protocol.envelope import envelope
from llms.protocol.errors import LlmsError, MethodNotAllowed, RequestTooLarge, UpstreamAuthenticationFailed
from llms.protocol.sse import escape_separators


def respond(error: LlmsError, headers: Mapping[str, str]) -> web.Response:
    """Return the answer to a request that failed before the first byte of its answer."""
    status = error.http_status if 400 <= error.http_status <= 599 else 500
    response = web.Response(
        status=status,
        body=body(error),
        headers={"Content-Type": "application/json", **headers, **error_headers(error)},
    )
    if isinstance(error, RequestTooLarge) or status == 408:
        response.force_close()
    return response


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
        headers["x-llms-attempts"] = str(error.attempts)
    if error.upstream_request_id:
        headers["x-llms-upstream-request-id"] = error.upstream_request_id
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    return headers
