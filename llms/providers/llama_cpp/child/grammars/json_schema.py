"""JSON schemas as grammars, so that a model can write nothing but what a schema allows.

What no grammar can say (`uniqueItems`, `multipleOf`, …) is left to the model, unless all of it has to hold. Where a
schema leaves a choice of form, such as unnamed properties beside named ones, the grammar takes the narrower one: what
it lets through is valid.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

from llms.providers.llama_cpp.child.grammars.grammar import MOST_REPEATS, Grammar, either, json_literal, repeated
from llms.providers.llama_cpp.child.grammars.json_numbers import Bounds, integer_rule, number_rule
from llms.providers.llama_cpp.child.grammars.json_strings import string_rule
from llms.providers.llama_cpp.child.grammars.schema_parts import Parts, Schema, TooLarge, Unwritable
from llms.providers.llama_cpp.child.grammars.schema_types import constants_rule, kinds_of

_DEEPEST: Final = 60
_MOST_BRANCHES: Final = 10_000
_UNIONS: Final = ("anyOf", "oneOf")
_COMMA: Final = ' "," space '


@final
class SchemaRules:
    """Add the rules of one schema to a grammar."""

    __slots__ = ("_branches", "_depth", "_grammar", "_known", "_parts")

    def __init__(self, grammar: Grammar, root: Schema, *, strict: bool = False) -> None:
        """Take the whole schema, in which references are looked up; `strict` refuses what cannot be held to."""
        self._grammar = grammar
        self._parts = Parts(root, strict=strict)
        self._known: dict[str, str] = {}
        self._branches: dict[str, int] = {}
        """How many rules a rule may be at its first character: all of them are tried there."""
        self._depth = 0

    def rule(self, schema: object) -> str:
        """Return the name of the rule for a schema or a part of it; raise Unwritable if there can be none."""
        joined = self._parts.joined(schema)
        if not joined:
            return "value"
        key = json.dumps(joined, sort_keys=True)
        if key not in self._known:
            self._known[key] = name = self._grammar.reserve()
            try:
                body = self._deeper(joined)
            except Unwritable:
                del self._known[key]
                raise
            self._grammar.define(name, body)
            self._branches[name] = self._branches.get(body, 1)
        return self._known[key]

    def _deeper(self, schema: Schema) -> str:
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise TooLarge(f"it is deeper than {_DEEPEST} levels")
            return self._body(schema)
        finally:
            self._depth -= 1

    def _body(self, schema: Schema) -> str:
        for key in _UNIONS:
            if key in schema:
                rest = {name: value for name, value in schema.items() if name != key}
                return self._union([{"allOf": [rest, branch]} for branch in schema[key]])
        if "const" in schema or "enum" in schema:
            return constants_rule(schema)
        kinds = kinds_of(schema)
        if len(kinds) != 1:
            return self._union([{**schema, "type": kind} for kind in kinds]) if kinds else "value"
        bodies: Mapping[str, Callable[[Schema], str]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "number": self._number,
            "integer": self._integer,
            "boolean": lambda schema: "boolean",
            "null": lambda schema: "null",
        }
        if kinds[0] not in bodies:
            raise Unwritable(f"it has the unknown type {kinds[0]!r}")
        return bodies[kinds[0]](schema)

    def _union(self, schemas: Sequence[Schema]) -> str:
        """Return a body for any of several; those that allow nothing are left out."""
        names, reason = [], Unwritable("it has an empty list of alternatives")
        for schema in schemas:
            try:
                names.append(self.rule(schema))
            except TooLarge:
                raise
            except Unwritable as failure:
                reason = failure
        if not names:
            raise reason
        body = either(names)
        self._branches[body] = sum(self._branches.get(name, 1) for name in dict.fromkeys(names))
        if self._branches[body] > _MOST_BRANCHES:
            raise TooLarge("it has too many alternatives")
        return body

    def _object(self, schema: Schema) -> str:
        named: Mapping[str, Any] = schema.get("properties", {})
        required: Sequence[str] = schema.get("required", ())
        more = schema.get("additionalProperties", True)
        if not named and not required:
            return self._map(schema, more)
        members: list[tuple[str, bool]] = []
        for name, value in {**named, **{name: more for name in required if name not in named}}.items():
            if value is not False or name in required:
                rule = self._grammar.add(f"{json_literal(name)} colon {self.rule(value)}")
                members.append((rule, name in required))
        return self._members(members)

    def _map(self, schema: Schema, more: object) -> str:
        """Return a body for an object whose properties have no names of their own."""
        if more is False:
            return '"{" space "}"'
        names = schema.get("propertyNames", True)
        key = "string" if names is True else self.rule({"allOf": [{"type": "string"}, names]})
        member = self._grammar.add(f"{key} colon {self.rule(more)}")
        return f'"{{" space ({member} ("," space {member})* space)? "}}"'

    def _members(self, members: Sequence[tuple[str, bool]]) -> str:
        """Return a body for an object with these members in this order, some of which may be left out."""
        rests = ['""']
        for rule, required in reversed(members[1:]):
            this = f'"," space {rule}' if required else f'("," space {rule})?'
            rests.append(self._grammar.add(f"{this} {rests[-1]}"))
        firsts = []
        for (rule, required), rest in zip(members, reversed(rests), strict=False):
            firsts.append(f"{rule} {rest}")
            if required:
                return f'"{{" space ({either(firsts)}) space "}}"'
        return f'"{{" space (({either(firsts)}) space)? "}}"' if firsts else '"{" space "}"'

    def _array(self, schema: Schema) -> str:
        first = schema.get("prefixItems", schema["items"] if isinstance(schema.get("items"), list) else [])
        rest = schema.get("items", not first)
        low, high = self._counts(schema, "minItems", "maxItems")
        first = first[:high]
        low, high = max(0, low - len(first)), None if high is None else high - len(first)
        bodies = [self.rule(item) for item in first]
        if isinstance(rest, list):
            rest = low > 0
        if rest is False and low:
            raise Unwritable("it requires more items than it allows")
        if rest is False or (first and "items" not in schema and not low) or high == 0:
            return f'"[" space {_COMMA.join(bodies)} space "]"' if bodies else '"[" space "]"'
        return _items(bodies, self.rule(rest), low, high)

    def _string(self, schema: Schema) -> str:
        return string_rule(schema, *self._counts(schema, "minLength", "maxLength"), self._parts.missed)

    def _counts(self, schema: Schema, least: str, most: str) -> tuple[int, int | None]:
        """Return how many at least and at most; None for any number."""
        low, high = int(schema.get(least, 0)), schema.get(most)
        if low > MOST_REPEATS:
            raise Unwritable(f"`{least}` is more than {MOST_REPEATS}")
        if high is not None and high < low:
            raise Unwritable(f"`{most}` is less than `{least}`")
        if high is not None and high > MOST_REPEATS:
            self._parts.missed(most)
            high = None
        return low, None if high is None else int(high)

    def _integer(self, schema: Schema) -> str:
        bounds = Bounds.of(schema)
        body = "integer" if bounds.low is bounds.high is None else integer_rule(bounds)
        if body is None:
            raise Unwritable("there is no integer between its bounds")
        return body

    def _number(self, schema: Schema) -> str:
        bounds = Bounds.of(schema)
        body = None if bounds.low is bounds.high is None else number_rule(bounds)
        if body is None and bounds != Bounds(None, None):
            self._parts.missed("minimum" if bounds.high is None else "maximum")
        return body or "number"


def _items(first: Sequence[str], item: str, low: int, high: int | None) -> str:
    """Return a body for an array: rules of the first items, then `low` to `high` times the same."""
    if first:
        return f'"[" space {_COMMA.join(first)} {repeated(_COMMA + item, low, high)} space "]"'
    more = repeated(_COMMA + item, max(0, low - 1), None if high is None else high - 1)
    return f'"[" space {item} {more} space "]"' if low else f'"[" space ({item} {more} space)? "]"'
