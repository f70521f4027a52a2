"""What is known of Claude's models: from their list, and from what they refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, final

_STEERING: Final = frozenset({"temperature", "top_p", "top_k"})
_NAMED: Final = re.compile(r"\b(temperature|top_p|top_k)\b")
_REFUSAL_SECONDS: Final = 3600.0
_MOST_MODELS: Final = 1024


@final
@dataclass(frozen=True, slots=True)
class ClaudeFacts:
    """One model, as far as it is known."""

    longest: int | None = None
    """Tokens that it can say."""
    adaptive: bool | None = None
    """It thinks as it sees fit; False: by a budget of tokens."""
    unsteered_until: float = 0.0
    """It refused temperature and its like; until when it is not asked again."""
    steered: bool = True


_UNKNOWN: Final = ClaudeFacts()


@final
class Facts:
    """The book of all models."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Take a clock of monotonic seconds."""
        self._clock = clock
        self._known: dict[str, ClaudeFacts] = {}

    def of(self, model: str) -> ClaudeFacts:
        """Return what is known of a model."""
        facts = self._known.get(model, _UNKNOWN)
        return facts if facts.unsteered_until <= self._clock() else replace(facts, steered=False)

    def listed(self, model: str, row: Mapping[str, Any]) -> None:
        """Read an entry of the list of models."""
        longest = row.get("max_tokens")
        adaptive: Any = row.get("capabilities")
        for name in ("thinking", "types", "adaptive", "supported"):
            adaptive = adaptive.get(name) if isinstance(adaptive, dict) else None
        self._note(
            model,
            replace(
                self._known.get(model, _UNKNOWN),
                longest=longest if isinstance(longest, int) and longest > 0 else None,
                adaptive=adaptive if isinstance(adaptive, bool) else None,
            ),
        )

    def refuses_steering(self, model: str) -> None:
        """Note that a model takes no temperature."""
        until = self._clock() + _REFUSAL_SECONDS
        self._note(model, replace(self._known.get(model, _UNKNOWN), unsteered_until=until))

    def _note(self, model: str, facts: ClaudeFacts) -> None:
        self._known.pop(model, None)
        self._known[model] = facts
        if len(self._known) > _MOST_MODELS:
            del self._known[next(iter(self._known))]


def unsteered(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request without what steers the choice of words, which newer models refuse."""
    return {name: value for name, value in body.items() if name not in _STEERING}


def names_steering(message: str) -> bool:
    """Tell whether a refusal is about that."""
    return _NAMED.search(message) is not None
