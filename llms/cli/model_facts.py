"""What lists of models tell, in the several spellings of their upstreams: which of them chat, and more than the id."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from llms.routing.chat_models import first_chat_model

__all__ = ["DEMO", "context_window", "first_chat_model", "price"]

DEMO: Final = "local/demo"
_WINDOWS: Final = (
    "context_window",
    "context_length",
    "max_model_len",
    "max_context_length",
    "max_input_tokens",
    "inputTokenLimit",
    "n_ctx",
    "n_ctx_train",
)
_MILLION: Final = 1_000_000


def context_window(extra: Mapping[str, Any]) -> int | None:
    """Return the tokens of a model's context window, where its list tells them."""
    for holder in (extra, extra.get("meta")):
        if not isinstance(holder, Mapping):
            continue
        for name in _WINDOWS:
            value = holder.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None


def price(extra: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return US dollars for a million tokens, in and out, where the list tells them.

    `{prompt, completion}` are dollars a token (OpenRouter), `{input, output}` dollars a million (Together).
    """
    pricing = extra.get("pricing")
    if not isinstance(pricing, Mapping):
        return None
    for names, factor in ((("prompt", "completion"), _MILLION), (("input", "output"), 1)):
        asked, answered = (_number(pricing.get(name)) for name in names)
        if asked is not None and answered is not None:
            return asked * factor, answered * factor
    return None


def _number(value: object) -> float | None:
    """Read a price; lists write them as text or number, and negative ones mean that they vary."""
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
