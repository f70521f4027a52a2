"""How much a model shall think: OpenAI's `reasoning_effort` in Gemini's levels and budgets.

The two tables are those of Google's page "OpenAI compatibility"; `xhigh` is not among them and means the most there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.dialects.gemini.extras import extras
from llms.protocol.dialects.gemini.naming import is_third_generation
from llms.protocol.errors import InvalidRequest, excerpt

_LEVELS: Final = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH"}
_BUDGETS: Final = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}
"""Tokens, for the models before Gemini 3."""
_FIELD: Final = "reasoning_effort"


def thinking_config(body: Mapping[str, Any], model: str) -> Mapping[str, Any] | None:
    """Return `thinkingConfig`; None where the client leaves thinking to the model. Thoughts are shown when asked for.

    Raises InvalidRequest for what the model cannot do.
    """
    own = extras(body).get("thinking_config")
    effort = body.get(_FIELD)
    if own is not None and effort is not None:
        raise _refused(f"`{_FIELD}` and `extra_body.google.thinking_config` say the same thing: send one of them.")
    if effort is None:
        return own
    if is_third_generation(model):
        return {"thinkingLevel": _level(effort, model), "includeThoughts": True}
    budget = _BUDGETS.get(effort) if isinstance(effort, str) else None
    if budget is None:
        raise _refused(f"`{_FIELD}` must be one of {', '.join(_BUDGETS)}, found {excerpt(effort)}.")
    return {"thinkingBudget": budget, **({"includeThoughts": True} if budget else {})}


def _level(effort: object, model: str) -> str:
    if effort == "none":
        raise _refused(f"`{_FIELD}` cannot be none: {model} always thinks. The least is minimal.")
    level = _LEVELS.get(effort) if isinstance(effort, str) else None
    if level is None:
        raise _refused(f"`{_FIELD}` must be one of {', '.join(_LEVELS)}, found {excerpt(effort)}.")
    return "LOW" if level == "MINIMAL" and "-pro" in model else level


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, param=_FIELD)
