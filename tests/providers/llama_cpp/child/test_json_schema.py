"""Grammars of JSON schemas, read by llama.cpp itself."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.grammars.schema_parts import Unwritable
from tests.providers.llama_cpp.child.matching import allows, allows_json, grammar_of, readable
from tests.providers.llama_cpp.child.schemas import ROOTS

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
pytestmark = pytest.mark.local

PERSON: dict[str, Any] = {
    "type": "object",
    "title": "Person",
    "properties": {
        "name": {"type": "string", "description": "First name"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "mood": {"enum": ["good", "bad", None]},
        "friends": {"type": "array", "items": {"$ref": "#"}},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "Ann", "age": 3}, True),
        ({"name": "Ann", "age": 150, "mood": None}, True),
        ({"name": "Ann", "age": 3, "friends": [{"name": "Bo", "age": 4, "friends": []}]}, True),
        ({"name": "Ann"}, False),
        ({"name": "Ann", "age": 151}, False),
        ({"name": "Ann", "age": -1}, False),
        ({"name": "Ann", "age": 3, "mood": "ugly"}, False),
        ({"name": "Ann", "age": 3, "other": 1}, False),
        ({"name": 5, "age": 3}, False),
        ([], False),
    ],
)
def test_an_object(value: Any, expected: bool) -> None:
    assert allows_json(PERSON, value) is expected


@pytest.mark.parametrize(
    ("schema", "yes", "no"),
    [
        ({}, [None, 1, "a", [], {"a": [1]}], []),
        ({"type": "object"}, [{}, {"a": 1, "b": {}}], [[], 1]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, [{}, {"a": 1}], [{"a": "b"}]),
        ({"type": "object", "propertyNames": {"enum": ["a", "b"]}}, [{"a": 1, "b": 2}], [{"c": 1}]),
        ({"type": "object", "required": ["a"]}, [{"a": None}], [{}]),
        (
            {"properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"]},
            [{"b": 1}, {"a": 1, "b": 2, "c": 3}],
            [{"a": 1}],
        ),
        ({"properties": {"a": {}, "b": {}}}, [{}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}], [1]),
        (
            {"type": "array", "items": {"type": "null"}, "minItems": 1, "maxItems": 2},
            [[None], [None] * 2],
            [[], [None] * 3],
        ),
        ({"type": "array", "maxItems": 0}, [[]], [[1]]),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, [[1, 2]], [[2, 1], [1, 2, 3]]),
        ({"prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 2}, [[1, 2], [1, 2, 2]], [[1], [1, 3]]),
        ({"items": [{"const": 1}], "minItems": 3}, [[1, "x", None]], [[1]]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", 'a"\n', "日本"], ["a", "abcd"]),
        ({"type": "string", "format": "date"}, ["2024-12-31"], ["2024-13-01", "2023-02-29", "2023-04-31"]),
        ({"type": "string", "format": "unknown"}, ["anything"], [1]),
        ({"type": "string", "pattern": r"^\d+$"}, ["12"], ["a", ""]),
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"type": "integer"}, [0, -5, 10**12], [1.5, "1"]),
        ({"type": "number"}, [0, -1.5, 2e-7], ["1", True]),
        ({"type": "number", "exclusiveMinimum": 0}, [0.5, 19.99, 3], [0, -1]),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, [0.5], [0]),
        ({"minimum": 3}, [3, 4.5], [2]),
        ({"const": {"a": [1, "é"]}}, [{"a": [1, "é"]}], [{"a": [1, "e"]}]),
        ({"enum": ["a", 1], "type": "string"}, ["a"], [1]),
        ({"enum": ["a", "b"], "const": "b"}, ["b"], ["a"]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "maximum": 3, "title": "T"}, [3, None], [4, "a"]),
        ({"oneOf": [{"const": 1}, False]}, [1], [2]),
        ({"allOf": [{"minimum": 1}, {"maximum": 3}, True], "type": "integer"}, [1, 3], [0, 4]),
        (
            {
                "allOf": [
                    {"properties": {"a": {"minimum": 1}}, "required": ["a"]},
                    {"properties": {"a": {"maximum": 2}}},
                ]
            },
            [{"a": 1}, {"a": 2}],
            [{"a": 3}, {}],
        ),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}, "description": "D"}, [1], [2]),
        ({"allOf": [{"type": ["integer", "string"]}, {"type": ["number", "null"]}]}, [1], ["a", 1.5, None]),
        ({"allOf": [{"enum": [1, 2]}, {"enum": [2, 3]}]}, [2], [1, 3]),
        ({"anyOf": [{"const": 1}, {"const": 2}], "allOf": [{"anyOf": [{"type": "integer"}]}]}, [1, 2], [3]),
        (True, [1, "a"], []),
    ],
    ids=str,
)
def test_what_a_schema_lets_through(schema: Any, yes: list[Any], no: list[Any]) -> None:
    for value in yes:
        assert allows_json(schema, value), f"{value} is valid"
    for value in no:
        assert not allows_json(schema, value), f"{value} is not valid"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1}', True),
        ('{"a": 1}', True),
        ('{\n  "a": 1\n}', True),
        ('{"a": 1} ', False),
        ('{"a": "tab\there"}', False),
        ('{"a": "line\nbreak"}', False),
        ('{"a": "\\u00e9\\n\\""}', True),
        ('{"a": "\\ud83d"}', False),
        ('{"a": "\\x"}', False),
        ('{"a": 01}', False),
        ('{"a": 1.}', False),
        ('{"a": -1.5e-10}', True),
        ('{"a": .5}', False),
        ('{"a": 1,}', False),
    ],
)
def test_json_is_json(text: str, expected: bool) -> None:
    assert allows(grammar_of({"type": "object"}), text) is expected


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (False, "allows nothing"),
        ({"properties": {"a": False}, "required": ["a"]}, "allows nothing"),
        ({"$ref": "#/$defs/none"}, "is not there"),
        ({"$ref": "https://example.com/schema"}, "only references within it"),
        ({"$ref": "#"}, "refers to itself"),
        ({"type": "object", "properties": {"a": {"type": "any"}}}, "unknown type"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no integer between"),
        ({"type": "string", "minLength": 5, "maxLength": 2}, "less than"),
        ({"type": "array", "minItems": 100_000}, "more than"),
        ({"enum": []}, "none of its constants"),
        ({"anyOf": []}, "empty list"),
        ({"anyOf": [False, {"enum": []}]}, "none of its constants"),
        ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, "different `pattern`"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "in common"),
        (
            {"allOf": [{"properties": {"a": {}}, "additionalProperties": False}, {"required": ["b"]}]},
            "requires 'b' and another forbids",
        ),
        ({"items": False, "minItems": 1}, "more items than it allows"),
    ],
    ids=str,
)
def test_what_no_grammar_can_be_made_of_says_why(schema: Any, reason: str) -> None:
    with pytest.raises(Unwritable, match=reason):
        grammar_of(schema)


def nested(depth: int) -> dict[str, Any]:
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "null"}


def test_depth_and_entanglement_have_an_end() -> None:
    assert readable(grammar_of(nested(50)))
    with pytest.raises(Unwritable, match="deeper than"):
        grammar_of(nested(100))
    entangled = {
        "$defs": {
            "a": {"anyOf": [{"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]}, {"const": 1}]},
            "b": {"anyOf": [{"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/a"}]}, {"const": 2}]},
        },
        "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
    }
    with pytest.raises(Unwritable, match=r"more than|too many|deeper"):
        grammar_of(entangled)


def test_alternatives_within_alternatives_are_few() -> None:
    """llama.cpp looks at all of them before it begins, some of them again and again."""
    levels: dict[str, Any] = {"l0": {"const": 0}, "m0": {"const": 1}}
    for level in range(1, 40):
        both = [{"$ref": f"#/$defs/l{level - 1}"}, {"$ref": f"#/$defs/m{level - 1}"}]
        levels |= {f"l{level}": {"anyOf": both}, f"m{level}": {"anyOf": both[::-1]}}
    with pytest.raises(Unwritable, match="too many alternatives"):
        grammar_of({"$ref": "#/$defs/l39", "$defs": levels})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "multipleOf": 3},
        {"type": "array", "uniqueItems": True},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "maxLength": 100_000},
        {"type": "string", "pattern": "a", "maxLength": 3},
        {"type": "number", "minimum": 0.5, "maximum": 0.7},
        {"not": {"type": "string"}},
    ],
    ids=str,
)
def test_what_cannot_be_held_to_is_refused_only_where_it_must_hold(schema: Any) -> None:
    assert readable(grammar_of(schema))
    with pytest.raises(Unwritable, match=r"cannot be held to here; leave it out or say `strict: false`"):
        grammar_of(schema, strict=True)


def test_an_unsaid_false_is_no_constraint() -> None:
    assert readable(grammar_of({"type": "array", "uniqueItems": False}, strict=True))


@settings(max_examples=60)
@given(ROOTS)
def test_every_grammar_can_be_read(schema: Any) -> None:
    assert readable(grammar_of(schema))


@settings(max_examples=150)
@given(schema=ROOTS, value=st.data())
def test_only_valid_values_pass(schema: Any, value: st.DataObject) -> None:
    candidate = value.draw(
        st.recursive(
            st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=6),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=3),
            max_leaves=5,
        )
    )
    if allows_json(schema, candidate):
        jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(candidate)))
