"""Google's refusals: `google.rpc.Status` with details, as errors of ours.

The shape is that of "Troubleshooting guide" and of Google's API design guide ("Errors"): `{"error": {"code", "message",
"status", "details": [{"@type": "…/google.rpc.RetryInfo", "retryDelay": "34s"}, …]}}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from llms.protocol import json
from llms.protocol.dialects.gemini.shapes import dicts
from llms.protocol.errors import LlmsError
from llms.protocol.refusals import Refusal, error_for

_BAD_KEYS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
"""Reasons of `google.rpc.ErrorInfo`, some of which come with status 400."""
_OVERFLOW: Final = re.compile(r"token count\b.*\bexceeds", re.IGNORECASE | re.DOTALL)
_PATIENT: Final = ("retry-after", "retry-after-ms")


def error_of(refusal: Refusal) -> LlmsError:
    """Return the error that a client gets for a refusal."""
    try:
        item = json.loads(refusal.body)
    except ValueError:
        return error_for(refusal)
    held = item[0] if isinstance(item, list) and item else item
    told = held.get("error") if isinstance(held, dict) else None
    return error_for(refusal) if not isinstance(told, dict) else error_for(_understood(refusal, told))


def error_in(item: Mapping[str, Any], *, provider: str, secrets: tuple[str, ...] = ()) -> LlmsError:
    """Return the error for one inside an answer, whose code is its status."""
    told = item.get("error")
    code = told.get("code") if isinstance(told, dict) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else 502
    return error_of(Refusal(provider, status, json.dumps(item), secrets=secrets))


def _understood(refusal: Refusal, told: Mapping[str, Any]) -> Refusal:
    """Return a refusal that says in OpenAI's places what Google says in its details."""
    headers = {**(refusal.headers or {})}
    delay = _delay(told)
    if delay is not None and not any(headers.get(name) for name in _PATIENT):
        headers["retry-after-ms"] = str(delay * 1000)
    refusal = replace(refusal, headers=headers)
    if any(detail.get("reason") in _BAD_KEYS for detail in dicts(told.get("details"))):
        return replace(refusal, status=401)
    if refusal.status == 400 and _OVERFLOW.search(str(told.get("message"))):
        code = {"code": "context_length_exceeded"}
        return replace(refusal, body=json.dumps({"error": {**told, **code}}))
    return refusal


def _delay(told: Mapping[str, Any]) -> float | None:
    """Return the seconds of `google.rpc.RetryInfo`."""
    for detail in dicts(told.get("details")):
        try:
            return float(str(detail.get("retryDelay")).removesuffix("s"))
        except ValueError:
            continue
    return None
