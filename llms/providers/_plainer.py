"""Requests that came in another dialect, made plainer for an upstream that refuses what a chat may hold.

Whoever asks in a dialect of its own never chose the fields that its request becomes here. So where a refusal names
one of them, the same is asked again without it, or by its other name; and the model's next requests do without at
once, for a while. What a client of chat completions wrote itself is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, final

from llms.protocol.chat import ChatRequest
from llms.protocol.errors import LlmsError

_ABOUT_FIELDS: Final = frozenset({400, 422})
_NEWER: Final = "max_completion_tokens"
_ANYWHERE: Final = ("cache_control", "reasoning_details", "reasoning_content", "is_error")
"""Fields of messages, of their parts and calls, and of tools."""
_AT_TOP: Final = (
    "reasoning_effort", "top_k", "temperature", "top_p", "parallel_tool_calls", "service_tier", "user",
)  # fmt: skip
_REFUSAL_SECONDS: Final = 600.0
_MOST_MODELS: Final = 256


@final
class Plainer:
    """Remember, model by model, what an upstream refused."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Take a clock of monotonic seconds."""
        self._clock = clock
        self._refused: dict[str, dict[str, float]] = {}
        """When a field may be tried again, by model."""

    def of(self, request: ChatRequest) -> ChatRequest:
        """Return a request without what its model is known to refuse."""
        if request.original is None or request.model not in self._refused:
            return request
        now = self._clock()
        for field, until in self._refused[request.model].items():
            if until > now:
                request = request._replace(body=_without(request.body, field))
        return request

    def after(self, request: ChatRequest, error: LlmsError) -> ChatRequest | None:
        """Return the request to send after a refusal; None when it is not about a field that it can do without."""
        if request.original is None or error.http_status not in _ABOUT_FIELDS:
            return None
        field = _named(request.body, error)
        if field is None:
            return None
        if request.model not in self._refused and len(self._refused) >= _MOST_MODELS:
            del self._refused[next(iter(self._refused))]
        self._refused.setdefault(request.model, {})[field] = self._clock() + _REFUSAL_SECONDS
        return request._replace(body=_without(request.body, field))


def _named(body: Mapping[str, Any], error: LlmsError) -> str | None:
    """Return the field that a refusal is about, of those that are there."""
    told = f"{error.param or ''} {error.message}"
    if _NEWER in told and "max_tokens" in body:
        return "max_tokens"
    held = [field for field in _AT_TOP if field in body and _names(told, field, error)]
    deep = (field for field in _ANYWHERE if _names(told, field, error) and _holds(body, field))
    return held[0] if held else next(deep, None)


def _names(told: str, field: str, error: LlmsError) -> bool:
    """Tell whether a refusal names a field; one that is a plain word has to be the parameter, or in quotes."""
    if "_" in field:
        return re.search(rf"\b{field}\b", told) is not None
    return error.param == field or re.search(rf"['\"`]{field}['\"`]", told) is not None


def _without(body: Mapping[str, Any], field: str) -> dict[str, Any]:
    if field == "max_tokens":
        rest = {name: value for name, value in body.items() if name != field}
        return {**rest, _NEWER: body[field]} if field in body else rest
    if field in _AT_TOP:
        return {name: value for name, value in body.items() if name != field}
    cleaned = {name: _cleaned(body[name], field) for name in ("messages", "tools") if name in body}
    return {**body, **cleaned}


def _holds(body: Mapping[str, Any], field: str) -> bool:
    return any(_cleaned(body[name], field) != body[name] for name in ("messages", "tools") if name in body)


def _cleaned(items: Any, field: str) -> Any:
    """Return messages or tools without a field; a content of one text alone becomes that text."""
    made = [{name: value for name, value in item.items() if name != field} for item in items]
    for item in made:
        if isinstance(content := item.get("content"), list):
            parts = [{name: value for name, value in part.items() if name != field} for part in content]
            only = parts[0] if len(parts) == 1 else {}
            item["content"] = only["text"] if only.get("type") == "text" and len(only) == 2 else parts
        if item.get("tool_calls"):
            item["tool_calls"] = [
                {name: value for name, value in call.items() if name != field} for call in item["tool_calls"]
            ]
    return made
