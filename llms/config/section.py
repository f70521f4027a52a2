"""Write a mapping of the file as a class, a line a key; reading one tells every mistake at once.

    class Timeouts(Section):
        connect: PositiveSeconds = field(default=10.0, description="Until the connection stands.")

What a value may be is its annotation: a kind of `values` in `Annotated`, a plain type, another section, or a list, a
mapping or an optional one of those (`kinds`). Functions in `Annotated` are applied to what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from inspect import cleandoc
from typing import Any, ClassVar, Final, Self, dataclass_transform, get_type_hints

from llms.config.kinds import Kind, kind_of
from llms.config.problems import Problems
from llms.config.values import Anything, Value, did_you_mean

_REQUIRED: Final[Any] = object()
_ANYTHING: Final = Anything()
_SUGGESTED: Final = 50
"""Unknown keys of one mapping that are compared with the known ones."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a section."""

    default: Any = _REQUIRED
    factory: Callable[[], Any] | None = None
    description: str = ""
    key: str = ""
    """What it is called in the file."""
    shown: bool = True
    kind: Kind = _ANYTHING

    @property
    def is_required(self) -> bool:
        """Tell whether there is no default."""
        return self.default is _REQUIRED and self.factory is None

    def read(self, raw: object) -> Any:
        """Return the value that `raw` stands for; raise Refusal or Invalid."""
        return self.kind.read(raw)

    def fallback(self) -> Any:
        """Return the value of a key that is not there."""
        return self.default if self.factory is None else self.factory()

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the key's value."""
        described = {"description": self.description} if self.description else {}
        return {**self.kind.schema(), **described, **self._default()}

    def _default(self) -> dict[str, Any]:
        """Return the default as a person would write it, where it is more than nothing."""
        if self.is_required or self.factory is not None or self.default is None or isinstance(self.default, Section):
            return {}
        shown = self.kind.show(self.default) if isinstance(self.kind, Value) else self.default
        return {"default": list(shown) if isinstance(shown, tuple) else shown}


def field(
    *,
    default: Any = _REQUIRED,
    default_factory: Callable[[], Any] | None = None,
    description: str = "",
    alias: str = "",
    repr: bool = True,
) -> Any:
    """Say more of a key: its default, what it is for, its name in the file, and whether `repr` may show it."""
    return Field(default, default_factory, description, alias, repr)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Section:
    """A mapping of the file, frozen; one that is written without content means its defaults."""

    _fields: ClassVar[Mapping[str, Field]]

    def __init__(self, /, **values: Any) -> None:
        """Read each value, as the file might have it or as the program knows it; raise Invalid."""
        problems = Problems()
        for name, each in self.fields().items():
            if each.key in values:
                self.__dict__[name] = problems.attempt((each.key,), each.read, values[each.key])
            elif each.is_required:
                problems.add((), f'needs the key "{each.key}"')
            else:
                self.__dict__[name] = each.fallback()
        _refuse_unknown(values, [each.key for each in self.fields().values()], problems)
        problems.raise_if_any()
        problems.attempt((), self.check)
        problems.raise_if_any()

    @classmethod
    def read(cls, raw: object, /) -> Self:
        """Return what a mapping of the file says; raise Invalid."""
        if isinstance(raw, cls):
            return raw
        problems = Problems()
        plain = problems.attempt((), cls.prepared, {} if raw is None else raw)
        problems.raise_if_any()
        if not isinstance(plain, Mapping):
            problems.add((), "must be a mapping", "write {name: value}")
            problems.raise_if_any()
        return cls(**plain)

    @classmethod
    def prepared(cls, raw: Any) -> Any:
        """Return the mapping that a shorter way of writing stands for; raise Refusal."""
        return raw

    def check(self) -> None:
        """Raise Refusal where the values do not go together."""

    @classmethod
    def fields(cls) -> Mapping[str, Field]:
        """Return the keys by the names of their attributes."""
        if "_fields" not in cls.__dict__:
            hints = get_type_hints(cls, include_extras=True)
            cls._fields = {name: _field(cls, name, hint) for name, hint in hints.items() if not name.startswith("_")}
        return cls._fields

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the mapping."""
        required = [each.key for each in cls.fields().values() if each.is_required]
        return {
            "type": "object" if required else ["object", "null"],
            "description": cleandoc(cls.__doc__ or ""),
            "properties": {each.key: each.schema() for each in cls.fields().values()},
            "required": required,
            "additionalProperties": False,
        }

    def changed(self, **values: Any) -> Self:
        """Return a copy with other values, which are taken as they are."""
        assert values.keys() <= self.fields().keys()
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **values)
        return copy

    def as_dict(self, *, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the values by attribute, sections among them as mappings."""
        return {
            name: value.as_dict() if isinstance(value, Section) else value
            for name, value in self.__dict__.items()
            if name not in without
        }

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name, each in self.fields().items() if each.shown)
        return f"{type(self).__name__}({', '.join(shown)})"


def _field(owner: type[Section], name: str, hint: Any) -> Field:
    if hasattr(Section, name):
        raise TypeError(f"a section has a {name} already: give the key an alias")
    given = getattr(owner, name, _REQUIRED)
    written = given if isinstance(given, Field) else Field(given)
    return replace(written, key=written.key or name, kind=kind_of(hint))


def _refuse_unknown(values: Mapping[str, Any], known: list[str], problems: Problems) -> None:
    unknown = [key for key in values if key not in known]
    for position, key in enumerate(unknown):
        hint = did_you_mean(key, known) or f"known keys are {', '.join(known)}" if position < _SUGGESTED else None
        problems.add((key,), "unknown key", hint)
