"""The response object: what was asked for, said again, around what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, final

from llms.protocol.chat import Usage
from llms.protocol.dialects.responses.asked import Asked, Item, item_id
from llms.protocol.errors import LlmsError

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
_DEFAULTS: Final[Mapping[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "user": None,
}
"""What a response says of fields that were not asked for."""
_RATE: Final = 429
_TOLD: Final = ("context_length_exceeded", "insufficient_quota")
"""Codes that clients act upon wherever they find them."""


class End(NamedTuple):
    """How a response came to its end."""

    status: Status
    usage: Usage | None = None
    error: LlmsError | None = None
    reason: str | None = None
    """Why it is incomplete."""


@final
class Frame:
    """The response object of one request."""

    __slots__ = ("_echo", "asked", "created", "id", "model", "stored")

    def __init__(self, asked: Asked, *, created: int, stored: bool) -> None:
        """Take when it began, in Unix seconds, and whether it is kept."""
        self.id = asked.id
        self.created = created
        self.model = asked.model
        """The model that answers; the one that was asked for until that is known."""
        self.stored = stored
        self.asked = asked
        self._echo = {name: asked.body.get(name, default) for name, default in _DEFAULTS.items()}
        self._echo["tools"] = [_tool(tool) for tool in self._echo["tools"]]

    def item_id(self, kind: str, index: int) -> str:
        """Return the id of an output item."""
        return item_id(kind, self.id, index)

    def response(self, output: Sequence[Item], end: End, *, now: int | None = None) -> dict[str, Any]:
        """Return the object; `now` is when it was completed."""
        body = self.asked.body
        reasoning, text = body.get("reasoning", {}), body.get("text", {})
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": end.status,
            "background": self.asked.background,
            "completed_at": now,
            "error": None if end.error is None else error_of(end.error),
            "incomplete_details": None if end.reason is None else {"reason": end.reason},
            "model": self.model,
            "output": list(output),
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "store": self.stored,
            "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
            # A prompt that is too long is refused; nothing is cut out of it.
            "truncation": "disabled",
            "presence_penalty": body.get("presence_penalty", 0.0),
            "frequency_penalty": body.get("frequency_penalty", 0.0),
            "usage": None if end.usage is None else usage_of(end.usage),
            **self._echo,
        }


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return tokens in the words of the dialect."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.written_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def error_of(error: LlmsError) -> dict[str, Any]:
    """Return why a response failed; clients know only a few codes there."""
    code = "server_error"
    if error.code in _TOLD:
        code = error.code
    elif error.http_status == _RATE:
        code = "rate_limit_exceeded"
    elif error.type == "invalid_request_error":
        code = "invalid_prompt"
    return {"code": code, "message": error.message}


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}
