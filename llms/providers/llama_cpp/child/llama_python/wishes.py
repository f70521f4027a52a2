"""How to choose among the tokens that a model thinks likely."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

_RECOMMENDED: Final = {
    "temperature": "temp",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "repeat_penalty": "penalty_repeat",
    "repeat_last_n": "penalty_last_n",
}
"""What a file may recommend, and under which name."""


@final
@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request wishes, else what the model's file recommends, else what llama.cpp takes."""

    seed: int
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()

    @property
    def penalizes(self) -> bool:
        """Tell whether it matters what was said before."""
        none = (self.repeat_penalty, self.presence_penalty, self.frequency_penalty) == (1, 0, 0)
        return self.repeat_last_n > 0 and not none

    @classmethod
    def of(cls, body: Mapping[str, Any], metadata: Mapping[str, str], *, seed: Callable[[], int]) -> Wishes:
        """Read a request's body; `seed` gives one of 32 bits where the body has none."""
        wished: dict[str, Any] = {name: body[name] for name in cls.__slots__ if name in body}
        for name, key in _RECOMMENDED.items():
            if name not in wished and (value := _number(metadata.get(f"general.sampling.{key}"))) is not None:
                wished[name] = int(value) if name in ("top_k", "repeat_last_n") else value
        wished["logit_bias"] = tuple((token, bias) for token, bias in body.get("logit_bias", ()))
        return cls(**{"seed": body["seed"] if "seed" in body else seed(), **wished})


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
