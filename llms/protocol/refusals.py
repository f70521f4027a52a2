"""Turn an upstream's refusal (a status and whatever body came with it) into an error of ours.

The status, the code and the patience asked for are the upstream's; the words are its own too, but for a
refused key, whose message names the provider and the fix instead.
"""

from __future__ import annotations

import email.utils
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llms.protocol import errors, json

_CONTEXT_WORDS: Final = re.compile(
    r"context[_ ](length|window|size)|maximum context|prompt is too long|too many (input )?tokens|max_prompt_tokens",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_MESSAGE_LIMIT: Final = 2000
_PLAIN_LIMIT: Final = 200
_NAME_LIMIT: Final = 200
_REQUEST_ID: Final = re.compile(r"[\w.-]{1,128}", re.ASCII)
_CODES: Final = {
    402: "insufficient_quota",
    403: "permission_denied",
    404: "model_not_found",
    413: "request_too_large",
    429: "rate_limit_exceeded",
}
_STATUS_OF_TYPE: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Anthropic's types of errors, which stand in place of a code (API reference, "Errors")."""
_LONGEST_PATIENCE: Final = 365 * 24 * 3600.0
_OVERLOADED: Final = frozenset({429, 503, 529})
_ABOUT_FIELDS: Final = frozenset({400, 404, 405, 422, 501})


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an upstream said when it refused."""

    provider: str
    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    """By lower-case name (or case-insensitive)."""
    now: float = 0.0
    """Unix seconds, to read a Retry-After that is a date."""
    secrets: Collection[str] = ()
    """Values that must not reach a client."""


def error_for(refusal: Refusal) -> errors.LlmsError:
    """Return the error that a client gets for an upstream's refusal."""
    told = _read(refusal.body, refusal.secrets)
    message = told.message or f"status {refusal.status} without a message"
    retry_after = patience(refusal.headers or {}, now=refusal.now)
    error = _classify(refusal, told, f"{refusal.provider}: {message}", retry_after)
    error.upstream_request_id = request_id_of(refusal.headers or {}, refusal.secrets)
    return error


def is_error(item: Any) -> bool:
    """Tell whether decoded JSON reports an error: OpenAI's `{"error": …}`, or vLLM's `{"object": "error", …}`."""
    return isinstance(item, dict) and bool(item.get("error") or item.get("object") == "error")


def error_for_event(item: Any, *, provider: str, secrets: Collection[str] = ()) -> errors.LlmsError:
    """Return the error for an error event inside a stream; a numeric code counts as its status."""
    found = item.get("error") or item if isinstance(item, dict) else item
    code = found.get("code") or found.get("status") if isinstance(found, dict) else None
    if isinstance(code, (int, str)) and str(code).isdigit() and 400 <= int(code) <= 599:
        status = int(code)
    else:
        status = _STATUS_OF_TYPE.get(_type_of(item), 502)
    wrapped = item if isinstance(item, dict) and "error" in item else {"error": item}
    return error_for(Refusal(provider, status, json.dumps(wrapped), secrets=secrets))


def _type_of(item: Any) -> str:
    """Return the type of an error that Anthropic reports; "" for any other, whose type says less."""
    if not isinstance(item, dict) or item.get("type") != "error":
        return ""
    found = item.get("error")
    return str(found.get("type")) if isinstance(found, dict) else ""


def request_id_of(headers: Mapping[str, str], secrets: Collection[str]) -> str:
    """Return the upstream's own id of a request; empty where it told none, or one that is not fit to be passed on."""
    given = headers.get("x-request-id") or headers.get("request-id")
    if not given:
        return ""
    found = redact(given, secrets)
    return found if _REQUEST_ID.fullmatch(found) else ""


def redact(text: str, secrets: Collection[str]) -> str:
    """Return text without any of the secret values."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def patience(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds of `retry-after-ms` or `Retry-After` (seconds or an HTTP date); None when absent or absurd."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    value = headers.get("retry-after", "")
    seconds = _number(value) if milliseconds is None else milliseconds / 1000
    if seconds is None:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(0.0, seconds), _LONGEST_PATIENCE)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class _Told:
    message: str = ""
    code: str | None = None
    param: str | None = None


def _read(body: bytes, secrets: Collection[str]) -> _Told:
    """Find message, code and param in any of the shapes that upstreams answer errors in, without the secrets.

    Secrets are taken out before anything is cut: of a key that is cut in two, neither half would be known.
    """
    try:
        value = json.loads(body) if body.strip() else {}
    except ValueError:
        return _Told(_plain(redact(body.decode("utf-8", "replace"), secrets)))
    told = _told(value)
    return _Told(
        redact(told.message, secrets)[:_MESSAGE_LIMIT],
        told.code and redact(told.code, secrets)[:_NAME_LIMIT],
        told.param and redact(told.param, secrets)[:_NAME_LIMIT],
    )


def _told(value: Any) -> _Told:
    if isinstance(value, list) and value:
        value = value[0]
    found = value.get("error", value.get("detail", value)) if isinstance(value, dict) else value
    if isinstance(found, str):
        return _Told(found)
    if isinstance(found, list):
        return _Told("; ".join(_detail(d) for d in found[:8]))
    if not isinstance(found, dict):
        return _Told()
    message = found.get("message") or found.get("msg") or found.get("error") or ""
    if not isinstance(message, str):
        message = json.dumps(message).decode()
    code = found.get("code")
    if not isinstance(code, str) or code.isdigit():
        kind = found.get("type")
        code = kind if isinstance(kind, str) and kind in ("insufficient_quota", "exceed_context_size_error") else None
    param = found.get("param")
    return _Told(message, code, param if isinstance(param, str) else None)


def _detail(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = ".".join(str(p) for p in item.get("loc", ()))
    return f"{place}: {item.get('msg', '')}" if place else str(item.get("msg", item))


def _plain(text: str) -> str:
    """Return the words of an HTML or text body, without markup, for a message."""
    text = _TAG.sub(" ", text[: _MESSAGE_LIMIT * 4])
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_PLAIN_LIMIT]


def _classify(refusal: Refusal, told: _Told, message: str, retry_after: float | None) -> errors.LlmsError:
    status = refusal.status
    if status == 401:
        return refused_key(refusal.provider)
    if status == 508:
        return errors.LoopDetected(message)
    if 300 <= status < 400:
        return errors.UpstreamProtocolError(f"{refusal.provider}: answered with a redirect, which is not followed")
    if not 400 <= status <= 599:
        return errors.UpstreamProtocolError(f"{refusal.provider}: answered with status {status}, which is no answer")
    if _is_overflow(status, told):
        return errors.ContextLengthExceeded(message, param=told.param or "messages")
    if status in _OVERLOADED:
        code = told.code or ("rate_limit_exceeded" if status == 429 else None)
        return errors.UpstreamOverloaded(message, code=code, retry_after=retry_after, status=status)
    if status in (408, 504):
        code = told.code or "upstream_timeout"
        return errors.UpstreamError(message, code=code, retry_after=retry_after, status=status)
    if status >= 500:
        return errors.UpstreamError(message, code=told.code, retry_after=retry_after, status=status)
    return errors.UpstreamRejected(
        message, code=told.code or _code_of(status), param=told.param, retry_after=retry_after, status=status
    )


def refused_key(provider: str) -> errors.UpstreamAuthenticationFailed:
    """Return the error for an upstream that refuses our configured key."""
    return errors.UpstreamAuthenticationFailed(
        f"{provider}: the upstream refused the key configured for it. "
        f"Put a valid one into providers.{provider}.api_key (or the environment variable it names)."
    )


def _is_overflow(status: int, told: _Told) -> bool:
    if told.code in ("context_length_exceeded", "exceed_context_size_error"):
        return True
    return status in (400, 413, 422) and bool(_CONTEXT_WORDS.search(told.message))


def _code_of(status: int) -> str:
    return _CODES.get(status, "invalid_request")


def objects_to(error: errors.LlmsError, field: str) -> bool:
    """Tell whether a refusal is about one field of the request that we may do without."""
    if error.http_status not in _ABOUT_FIELDS:
        return False
    if error.param is not None:
        return error.param.partition(".")[0] == field
    words = error.message.lower()
    if field == "stream_options":
        return field in words or "include_usage" in words
    return field in words and "stream_options" not in words and ("support" in words or "not allowed" in words)
