"""Bedrock's refusals: the kind in a header, a message in the body; and exceptions inside a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from llms.protocol import json
from llms.protocol.errors import LlmsError
from llms.protocol.refusals import Refusal, error_for

_BAD_KEYS: Final = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
        "ExpiredTokenException",
        "InvalidClientTokenId",
    }
)
"""Kinds that come with 403 and mean our credentials ("Common Errors")."""
_TOO_LONG: Final = ("input is too long", "too many input tokens", "exceeds the maximum number of input tokens")
_OVERFLOW: Final = {"code": "context_length_exceeded"}
_MODEL_FAILED: Final = 424
_STATUSES: Final[Mapping[str, int]] = {
    "throttlingException": 429,
    "serviceUnavailableException": 503,
    "internalServerException": 500,
    "validationException": 400,
    "modelTimeoutException": 408,
}
"""Of exceptions inside a stream; all others are the model's own failures."""


def error_of(refusal: Refusal) -> LlmsError:
    """Return the error that a client gets for a refusal."""
    kind = (refusal.headers or {}).get("x-amzn-errortype", "").partition(":")[0]
    if kind in _BAD_KEYS:
        return error_for(replace(refusal, status=401))
    if refusal.status == _MODEL_FAILED:
        return error_for(replace(refusal, status=502))
    words = refusal.body.decode("utf-8", "replace").lower()
    if refusal.status == 400 and any(each in words for each in _TOO_LONG):
        return error_for(replace(refusal, body=json.dumps({"error": {**_told(refusal), **_OVERFLOW}})))
    return error_for(refusal)


def _told(refusal: Refusal) -> Mapping[str, object]:
    try:
        found = json.loads(refusal.body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def error_in(kind: str, payload: bytes, *, provider: str, secrets: tuple[str, ...] = ()) -> LlmsError:
    """Return the error for an exception inside a stream."""
    return error_of(Refusal(provider, _STATUSES.get(kind, 502), payload, secrets=secrets))
