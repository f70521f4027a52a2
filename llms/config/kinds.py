"""What an annotation of a section's key stands for: how its value is read, and described to editors."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Protocol

from llms.config.problems import Problems
from llms.config.secret import SecretStr
from llms.config.values import Anything, Choice, Flag, Number, Plain, Refusal, Secret, Value, Whole

_NOTHING: Final = types.NoneType


class Kind(Protocol):
    """A value of `values`, a section, or something made of those."""

    def read(self, raw: object, /) -> Any:
        """Return what `raw` (as YAML gives it) stands for; raise Refusal, or Invalid for what is inside of it."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what `read` takes."""
        ...


def kind_of(hint: Any) -> Kind:
    """Return the kind of an annotation; raise TypeError where there is none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and callable(getattr(hint, "read", None)):
        return typing.cast(Kind, hint)
    if origin is Literal:
        return Choice(arguments)
    if origin in (typing.Union, types.UnionType) and len(arguments) == 2 and _NOTHING in arguments:
        return Nullable(kind_of(next(each for each in arguments if each is not _NOTHING)))
    if origin is tuple and arguments[1:] == (...,):
        return ListOf(kind_of(arguments[0]))
    if origin in (dict, Mapping):
        return MappingOf(kind_of(arguments[1]))
    raise TypeError(f"no kind of value for {hint}")


def _annotated(inner: Any, notes: tuple[Any, ...]) -> Kind:
    kind: Kind = next((each for each in notes if isinstance(each, Value)), None) or kind_of(inner)
    for note in notes:
        if isinstance(note, types.FunctionType):
            kind = Then(kind, note)
    return kind


@dataclass(frozen=True, slots=True)
class Nullable:
    """Something, or null."""

    kind: Kind

    def read(self, raw: object, /) -> Any:
        return None if raw is None else self.kind.read(raw)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class ListOf:
    """Any number of one kind, as a tuple."""

    kind: Kind

    def read(self, raw: object, /) -> tuple[Any, ...]:
        if not isinstance(raw, (list, tuple)):
            raise Refusal("must be a list", "write [first, second]")
        problems = Problems()
        found = [problems.attempt((place,), self.kind.read, each) for place, each in enumerate(raw)]
        problems.raise_if_any()
        return tuple(found)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.kind.schema()}


@dataclass(frozen=True, slots=True)
class MappingOf:
    """Names, and one kind of value for each."""

    kind: Kind

    def read(self, raw: object, /) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise Refusal("must be a mapping", "write {name: value}")
        problems = Problems()
        found = {name: problems.attempt((name,), self.kind.read, value) for name, value in raw.items()}
        problems.raise_if_any()
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.kind.schema()}


@dataclass(frozen=True, slots=True)
class Then:
    """A kind whose values go through a function, which may refuse them."""

    kind: Kind
    function: Callable[[Any], Any]

    def read(self, raw: object, /) -> Any:
        return self.function(self.kind.read(raw))

    def schema(self) -> dict[str, Any]:
        return self.kind.schema()


_PLAIN: Final[Mapping[Any, Value]] = {
    str: Plain(),
    bool: Flag(),
    int: Whole(minimum=-(10**12)),
    float: Number(),
    SecretStr: Secret(),
    Any: Anything(),
}
