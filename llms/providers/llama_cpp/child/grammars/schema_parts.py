"""JSON schemas put together from parts: what `$ref` and `allOf` spread over several places, in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final
from urllib.parse import unquote

Schema = Mapping[str, Any]

_UNIONS: Final = ("anyOf", "oneOf")
_MOST_ALTERNATIVES: Final = 256
_MOST_LOOKS: Final = 50_000
_KNOWN: Final = frozenset(
    {
        *("type", "enum", "const", "anyOf", "oneOf", "properties", "required", "additionalProperties"),
        *("propertyNames", "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern"),
        *("format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    }
)
_BEYOND_GRAMMARS: Final = frozenset(
    {
        *("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "multipleOf"),
        *("patternProperties", "minProperties", "maxProperties", "unevaluatedProperties", "unevaluatedItems"),
        *("uniqueItems", "contains", "minContains", "maxContains", "$dynamicRef", "$recursiveRef"),
    }
)
_HIGHEST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_LOWEST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_NESTED: Final = ("items", "additionalProperties", "propertyNames")


class Unwritable(ValueError):
    """What no grammar can be made of; the text says what it is."""


class TooLarge(Unwritable):
    """What goes on beyond all bounds; there is no use in trying another part of it."""


@final
class Parts:
    """Look up and join the parts of one schema."""

    __slots__ = ("_looks", "_root", "_strict")

    def __init__(self, root: Schema, *, strict: bool) -> None:
        """Take the whole schema; `strict` refuses what a grammar cannot hold a model to."""
        self._root = root
        self._strict = strict
        self._looks = 0

    def joined(self, schema: object, followed: tuple[str, ...] = ()) -> Schema:
        """Return a schema without `$ref` and `allOf`, and only with what constrains; `followed` are the refs so far."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            raise TooLarge("it has too many parts")
        if schema is True:
            return {}
        if not isinstance(schema, Mapping):
            raise Unwritable("a part of it allows nothing" if schema is False else "a part of it is no object")
        self._refuse(schema)
        whole: Schema = {key: value for key, value in schema.items() if key in _KNOWN}
        if "$ref" in schema:
            ref = str(schema["$ref"])
            if ref in followed:
                raise Unwritable(f"{ref!r} refers to itself")
            whole = _both(self.joined(self._find(ref), (*followed, ref)), whole)
        for part in schema.get("allOf", ()):
            whole = _both(whole, self.joined(part, followed))
        return whole

    def missed(self, keyword: str) -> None:
        """Note that a keyword is not held to; raise Unwritable if it has to be."""
        if self._strict:
            raise Unwritable(f"`{keyword}` cannot be held to here; leave it out or say `strict: false`")

    def _refuse(self, schema: Schema) -> None:
        beyond = sorted(key for key in schema if key in _BEYOND_GRAMMARS and schema[key] not in (False, None))
        if beyond:
            self.missed(beyond[0])

    def _find(self, ref: str) -> object:
        if not ref.startswith("#"):
            raise Unwritable(f"it refers to {ref!r}; only references within it, which begin with #, can be followed")
        found: Any = self._root
        for step in ref[1:].split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(key) if isinstance(found, list) else key]
            except (KeyError, IndexError, TypeError, ValueError):
                raise Unwritable(f"it refers to {ref!r}, which is not there") from None
        return found


def _both(one: Schema, other: Schema) -> Schema:
    """Return a schema that allows only what both allow; neither has `$ref` or `allOf`."""
    whole = dict(one)
    for key, value in other.items():
        if key in one and one[key] != value:
            whole[key] = _JOIN.get(key, _same)(key, one[key], value)
        else:
            whole[key] = value
    for side in (one, other):
        if side.get("additionalProperties") is False:
            _close(whole, side.get("properties", {}))
    return whole


def _close(whole: dict[str, Any], named: Mapping[str, Any]) -> None:
    """Leave out the properties that one of the two does not name, though it allows no others."""
    properties = whole.get("properties", {})
    lost = [name for name in whole.get("required", ()) if name not in named]
    if lost:
        raise Unwritable(f"one part of it requires {lost[0]!r} and another forbids it")
    whole["properties"] = {name: schema for name, schema in properties.items() if name in named}


def _same(key: str, one: Any, other: Any) -> Any:
    raise Unwritable(f"its parts have different `{key}`, which cannot be joined")


def _nested(key: str, one: Any, other: Any) -> Any:
    return {"allOf": [one, other]}


def _properties(key: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Any:
    shared = {name: _nested(name, one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **shared}


def _common(key: str, one: Any, other: Any) -> Any:
    """Return what stands in both lists; `type` may also be a word, and an integer is a number."""
    first, second = ([side] if isinstance(side, str) else list(side) for side in (one, other))
    if key == "type":
        first = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)] + [
            kind for kind in second if kind == "integer" and "number" in first and "integer" not in first
        ]
    else:
        first = [value for value in first if value in second]
    if not first:
        raise Unwritable(f"its parts have no `{key}` in common")
    return first


def _product(key: str, one: Sequence[Any], other: Sequence[Any]) -> Any:
    if len(one) * len(other) > _MOST_ALTERNATIVES:
        raise TooLarge(f"it has more than {_MOST_ALTERNATIVES} combinations of `{key}`")
    return [_nested(key, first, second) for first in one for second in other]


def _all(key: str, one: Sequence[str], other: Sequence[str]) -> Any:
    return list(dict.fromkeys([*one, *other]))


_JOIN: Final[Mapping[str, Callable[[str, Any, Any], Any]]] = {
    **dict.fromkeys(_HIGHEST, lambda key, one, other: max(one, other)),
    **dict.fromkeys(_LOWEST, lambda key, one, other: min(one, other)),
    **dict.fromkeys(_NESTED, _nested),
    **dict.fromkeys(_UNIONS, _product),
    **dict.fromkeys(("type", "enum"), _common),
    "properties": _properties,
    "required": _all,
}
