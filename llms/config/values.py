"""Say what a value of providers.yaml may be: one class a kind, for reading it and for describing it to editors.

Each class is put into `Annotated[…]` of a section's key. Texts that spell a number or a boolean are read as
such, because an expanded `${VARIABLE}` is always text.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from llms.config.secret import SecretStr

REFERENCE = r"\$\{|^os\.environ/"
"""A text that holds a variable: what it will be is not known before the environment is."""

_DECIMAL = re.compile(r"[-+]?[0-9]{1,18}")


class Refusal(ValueError):
    """A value that does not fit, with the fix where there is one. Never quotes the value: it may be a secret."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Value(ABC):
    """One kind of value."""

    @abstractmethod
    def read(self, raw: object, /) -> Any:
        """Return the value that `raw` (as YAML gives it) stands for; raise Refusal."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `read` takes."""

    def show(self, value: Any, /) -> Any:
        """Return `value` as a person would write it."""
        return value


@dataclass(frozen=True, slots=True)
class Whole(Value):
    """A whole number between two bounds, both included."""

    minimum: int = 0
    maximum: int = 10**12

    def read(self, raw: object, /) -> int:
        if isinstance(raw, str) and _DECIMAL.fullmatch(raw.strip()):
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise Refusal("must be a whole number")
        if raw < self.minimum:
            raise Refusal(f"must be at least {self.minimum}")
        if raw > self.maximum:
            raise Refusal(f"must be at most {self.maximum}")
        return raw

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}
        return {"anyOf": [number, {"type": "string", "pattern": rf"^\+?[0-9]{{1,18}}$|{REFERENCE}"}]}


@dataclass(frozen=True, slots=True)
class Flag(Value):
    """True or false, or the one `word` that leaves it open."""

    word: str | None = None

    def read(self, raw: object, /) -> bool | str:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and self.word is not None and raw == self.word:
            return raw
        if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
            return raw.strip().lower() == "true"
        raise Refusal(f"must be {self.word}, true or false" if self.word else "must be true or false")

    def schema(self) -> dict[str, Any]:
        words = rf"^({self.word or 'true'}|true|True|TRUE|false|False|FALSE)$|{REFERENCE}"
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": words}]}


@dataclass(frozen=True, slots=True)
class Text(Value):
    """Text that is not blank; with `optional`, also null."""

    optional: bool = False

    def read(self, raw: object, /) -> str | None:
        if raw is None and self.optional:
            return None
        if not isinstance(raw, str):
            quotable = isinstance(raw, (int, float))
            raise Refusal("must be text", "put quotes around it" if quotable else None)
        if not raw.strip():
            raise Refusal("must not be empty")
        return raw

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"] if self.optional else "string", "pattern": r"\S"}


@dataclass(frozen=True, slots=True)
class Plain(Value):
    """Any text, also none at all."""

    def read(self, raw: object, /) -> str:
        if not isinstance(raw, str):
            raise Refusal("must be text", "put quotes around it" if isinstance(raw, (int, float)) else None)
        return raw

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Number(Value):
    """A number, at least `minimum` where there is one."""

    minimum: float | None = None

    def read(self, raw: object, /) -> float:
        try:
            number = float(raw) if isinstance(raw, (int, float, str)) and not isinstance(raw, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise Refusal("must be a number")
        if self.minimum is not None and number < self.minimum:
            raise Refusal(f"must be at least {self.minimum:g}")
        return number

    def schema(self) -> dict[str, Any]:
        least = {} if self.minimum is None else {"minimum": self.minimum}
        return {"anyOf": [{"type": "number", **least}, {"type": "string", "pattern": rf"^[-+]?[0-9.]+$|{REFERENCE}"}]}


@dataclass(frozen=True, slots=True)
class Anything(Value):
    """Whatever stands there: it is for somebody else."""

    def read(self, raw: object, /) -> Any:
        return raw

    def schema(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class Choice(Value):
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, raw: object, /) -> str:
        if isinstance(raw, str) and raw in self.words:
            return raw
        listed = f"must be one of {', '.join(self.words)}"
        raise Refusal(listed, did_you_mean(raw, self.words) if isinstance(raw, str) else None)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.words)}, {"type": "string", "pattern": REFERENCE}]}


@dataclass(frozen=True, slots=True)
class Secret(Value):
    """Text that must never be shown; surrounding white space is dropped, and it may be empty."""

    def read(self, raw: object, /) -> SecretStr:
        if isinstance(raw, SecretStr):
            raw = raw.get_secret_value()
        if not isinstance(raw, str):
            raise Refusal("must be text", "put quotes around it" if raw is not None else 'write "" for none')
        return SecretStr(raw.strip())

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Unbuilt(Value):
    """A key that is known and refused until what it asks for exists; only `off` may stand there."""

    off: bool | None = None

    def read(self, raw: object, /) -> bool | None:
        if raw is None or raw is self.off:
            return self.off
        raise Refusal("not built yet", "remove it")

    def schema(self) -> dict[str, Any]:
        return {"enum": [None, self.off] if self.off is not None else [None], "description": "Not built yet."}


def did_you_mean(word: str, choices: Iterable[str]) -> str | None:
    """Return the question for the choice that looks most like `word`, if one does."""
    if len(word) > 80:
        return None
    import difflib

    near = difflib.get_close_matches(word, islice(choices, 500), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else None
