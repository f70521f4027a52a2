"""What upstreams tell of their models in lists, in the several spellings that they have for the same."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

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
_OUTPUTS: Final = ("max_output_tokens", "max_completion_tokens", "outputTokenLimit")
_ABILITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "tools": ("tools", "tool_use", "tool_calling", "function_calling", "function-calling"),
    "reasoning": ("reasoning", "thinking"),
}
"""Words for an ability, in whatever list or mapping an upstream has them."""
_SIGHT: Final = ("vision", "image", "images", "image_input")
_MILLION: Final = 1_000_000


def told(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of one entry in one spelling; what it does not tell is left out."""
    found = {
        "context_window": context_window(extra),
        "max_output_tokens": _max_output(extra),
        "input_modalities": _modalities(extra, "input"),
        "output_modalities": _modalities(extra, "output"),
        **{name: _ability(extra, name) for name in _ABILITIES},
        "price": price(extra),
    }
    return {name: value for name, value in found.items() if value is not None}


def context_window(extra: Mapping[str, Any]) -> int | None:
    """Return the tokens of a model's context window."""
    return next((size for holder in _holders(extra, "meta", "top_provider") for size in _sizes(holder, _WINDOWS)), None)


def price(extra: Mapping[str, Any]) -> dict[str, float] | None:
    """Return US dollars for a million tokens: `input`, `output` and perhaps `cached_input`.

    `{prompt, completion}` are dollars a token (OpenRouter), `{input, output}` dollars a million (Together).
    """
    pricing = extra.get("pricing")
    if not isinstance(pricing, Mapping):
        return None
    for names, factor in (
        (("prompt", "completion", "input_cache_read"), _MILLION),
        (("input", "output", "cached_input"), 1),
    ):
        asked, answered, again = (_number(pricing.get(name)) for name in names)
        if asked is not None and answered is not None:
            found = {"input": asked * factor, "output": answered * factor}
            return found if again is None else {**found, "cached_input": again * factor}
    return None


def _max_output(extra: Mapping[str, Any]) -> int | None:
    # Anthropic's list says max_tokens beside max_input_tokens; alone the word may mean anything.
    names = (*_OUTPUTS, "max_tokens") if "max_input_tokens" in extra else _OUTPUTS
    return next((size for holder in _holders(extra, "top_provider") for size in _sizes(holder, names)), None)


def _modalities(extra: Mapping[str, Any], way: str) -> list[str] | None:
    """Return kinds of content that go in, or come out."""
    for holder, name in (("architecture", f"{way}_modalities"), ("", f"{way}_modalities"), ("modalities", way)):
        place = extra.get(holder) if holder else extra
        kinds = place.get(name) if isinstance(place, Mapping) else None
        if isinstance(kinds, list) and kinds and all(isinstance(kind, str) for kind in kinds):
            return list(kinds)
    if way == "input" and any(said for word in _SIGHT if (said := _said(extra.get("capabilities"), word))):
        return ["text", "image"]
    return None


def _ability(extra: Mapping[str, Any], name: str) -> bool | None:
    words = _ABILITIES[name]
    parameters = extra.get("supported_parameters")
    if isinstance(parameters, list):
        return any(word in parameters for word in words)
    # Gemini's own list has `thinking` at the top.
    answers = [_said(holder, word) for holder in (extra.get("capabilities"), extra) for word in words]
    known = [answer for answer in answers if answer is not None]
    return any(known) if known else None


def _said(holder: object, word: str) -> bool | None:
    """Tell what a list of abilities, or a mapping of them, says of one; None where it says nothing."""
    if isinstance(holder, list):
        return True if word in holder else None
    value = holder.get(word) if isinstance(holder, Mapping) else None
    if isinstance(value, Mapping):
        value = value.get("supported")
    return value if isinstance(value, bool) else None


def _holders(extra: Mapping[str, Any], *names: str) -> Iterator[Mapping[str, Any]]:
    yield extra
    yield from (each for name in names if isinstance(each := extra.get(name), Mapping))


def _sizes(holder: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[int]:
    for name in names:
        value = holder.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield value


def _number(value: object) -> float | None:
    """Read a price; lists write them as text or number, and negative ones mean that they vary."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
