"""Types and constants of JSON schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llms.providers.llama_cpp.child.grammars.grammar import either, json_literal
from llms.providers.llama_cpp.child.grammars.schema_parts import Schema, Unwritable

_MEANT: Final = {
    **dict.fromkeys(("properties", "required", "additionalProperties", "propertyNames"), "object"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems"), "array"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), "number"),
}
"""The type that is meant where a schema says none."""


def kinds_of(schema: Schema) -> list[str]:
    """Return the types that a schema allows; [] for any."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    return list(kind) if kind else [_MEANT[key] for key in schema if key in _MEANT][:1]


def constants_rule(schema: Schema) -> str:
    """Return a body for the values of `const` or `enum` that are of the right type."""
    values = [schema["const"]] if "const" in schema else schema["enum"]
    if "const" in schema and "enum" in schema:
        values = [value for value in values if value in schema["enum"]]
    kinds = kinds_of(schema) if "type" in schema else []
    fitting = [value for value in values if not kinds or any(_is_a(kind, value) for kind in kinds)]
    if not fitting:
        raise Unwritable("none of its constants is of its type")
    return either(map(json_literal, fitting))


def _is_a(kind: str, value: Any) -> bool:
    return kind in _IS and _IS[kind](value)


_IS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and isinstance(value, int | float) and value == value // 1,
    "number": lambda value: not isinstance(value, bool) and isinstance(value, int | float),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
