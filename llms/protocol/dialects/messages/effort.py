"""How much a model shall think: an effort of a chat, as thinking of Messages.

Models up to the generation 4.5 take a budget of tokens; later ones think as they see fit, at an effort (documentation,
"Extended thinking" and "Adaptive thinking").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_BY_BUDGET: Final = re.compile(r"claude-(3|(opus|sonnet|haiku)-4(-[015])?(-\d{8}|@|$)|(opus|sonnet|haiku)-4-[015]\b)")
_WITHOUT: Final = re.compile(r"claude-3-(opus|sonnet|haiku|5)|claude-2|claude-instant")
_BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576}
_EFFORTS: Final[Mapping[str, str]] = {"minimal": "low"}
_LEAST: Final = 1024
"""Tokens that a budget must have."""
_FORCED: Final = frozenset({"any", "tool"})


def with_thinking(body: dict[str, Any], effort: Any, *, bounded: bool, adaptive: bool | None = None) -> dict[str, Any]:
    """Return the body with what an effort asks for; `bounded` tells that the client set `max_tokens`.

    Thinking that the client wrote itself, as Messages does, stays. There is none where the protocol forbids it: with a
    call that is forced, and in the middle of calls whose turn has no thinking that could be given back.
    """
    if "thinking" in body or not isinstance(effort, str):
        return _fit(body)
    model = body["model"]
    if effort == "none" or _WITHOUT.search(model):
        return body
    if adaptive is None:
        adaptive = not _BY_BUDGET.search(model)
    if adaptive:
        output = {"effort": _EFFORTS.get(effort, effort), **(body.get("output_config") or {})}
        return _fit({**body, "thinking": {"type": "adaptive"}, "output_config": output})
    budget = _BUDGETS.get(effort)
    if budget is None or _is_forced(body) or _is_amid_calls(body["messages"]):
        return body
    if not bounded:
        body = {**body, "max_tokens": body["max_tokens"] + budget}
    budget = min(budget, body["max_tokens"] - 1)
    if budget < _LEAST:
        return body
    return _fit({**body, "thinking": {"type": "enabled", "budget_tokens": budget}})


def _fit(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out the temperature beside thinking, which takes no other than 1."""
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") == "disabled":
        return body
    return {name: value for name, value in body.items() if name not in ("temperature", "top_k")}


def _is_forced(body: Mapping[str, Any]) -> bool:
    return (body.get("tool_choice") or {}).get("type") in _FORCED


def _is_amid_calls(messages: list[dict[str, Any]]) -> bool:
    """Tell whether the last turn of the model called tools without thinking that is given back."""
    turns = [message["content"] for message in messages if message["role"] == "assistant"]
    last = turns[-1] if turns and messages[-1]["role"] == "user" else None
    if not isinstance(last, list):
        return False
    kinds = [block["type"] for block in last]
    return "tool_use" in kinds and not {"thinking", "redacted_thinking"} & set(kinds)
