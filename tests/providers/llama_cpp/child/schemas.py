"""Schemas of all the kinds that grammars can be made of, and that some value satisfies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NAMES = st.text('abcdeé "\\', min_size=1, max_size=6)
CONSTANTS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8) | st.just([1, {"a": "b\n"}])


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["integer", "number"]))
    schema: dict[str, Any] = {"type": kind}
    low = draw(st.none() | st.integers(-300, 300))
    if low is not None:
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = low
    if draw(st.booleans()):
        high = (low if low is not None else draw(st.integers(-50, 50))) + draw(st.integers(2, 1000))
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = high
    return schema


@st.composite
def strings(draw: st.DrawFn) -> dict[str, Any]:
    low, more = draw(st.integers(0, 4)), draw(st.integers(0, 20))
    kinds: list[dict[str, Any]] = [
        {},
        {"minLength": low},
        {"minLength": low, "maxLength": low + more},
        {"maxLength": more},
        {"pattern": "^[a-z]{1,8}$"},
        {"pattern": r"^(\d{2}|x+)[^\s\"]?$"},
        {"pattern": "[A-F]"},
        {"format": "date"},
        {"format": "date-time"},
        {"format": "uuid"},
    ]
    return {"type": "string", **draw(st.sampled_from(kinds))}


LEAVES = (
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {}, True])
    | numbers()
    | strings()
    | st.builds(lambda value: {"const": value}, CONSTANTS)
    | st.builds(lambda values: {"enum": values}, st.lists(CONSTANTS, min_size=1, max_size=4))
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, max_size=4))
    required = [name for name in properties if draw(st.booleans())]
    more = draw(st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}]))
    return {"type": "object", "properties": properties, "required": required, **more}


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array", "items": draw(inner)}
    first = draw(st.lists(inner, max_size=2)) if draw(st.booleans()) else []
    if first:
        schema["prefixItems"] = first
    low = draw(st.integers(0, 3))
    if draw(st.booleans()):
        schema["minItems"] = low
    if draw(st.booleans()):
        schema["maxItems"] = low + draw(st.integers(0, 3))
    return schema


def unions(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda several: {"anyOf": several}, st.lists(inner, min_size=1, max_size=3))


SCHEMAS = st.recursive(LEAVES, lambda inner: objects(inner) | arrays(inner) | unions(inner), max_leaves=8)
ROOTS = objects(SCHEMAS) | arrays(SCHEMAS) | unions(SCHEMAS)
