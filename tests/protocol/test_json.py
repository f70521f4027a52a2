"""JSON keeps every legal value, refuses the rest with ValueError, and never recurses away."""

from __future__ import annotations

import json as stdlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol import json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)

PATIENT = settings(deadline=None)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@PATIENT
@given(VALUES)
def test_what_is_encoded_is_utf_8_and_means_the_same(value: object) -> None:
    encoded = json.dumps(value)
    assert stdlib.loads(encoded.decode("utf-8")) == value
    assert b"\n" not in encoded
    assert json.exact_loads(encoded) == value


@PATIENT
@given(st.dictionaries(st.text(max_size=6), st.integers() | st.text(st.characters(codec=None)), max_size=4))
def test_an_object_of_any_integers_and_texts_survives_a_round_trip(value: dict[str, Any]) -> None:
    assert json.loads(json.dumps(value)) == value


def test_half_a_character_and_huge_integers_are_kept() -> None:
    assert json.loads(b'{"a":"\\ud83d"}') == {"a": "\ud83d"}
    assert json.dumps({"a": "\ud83d"}) == b'{"a":"\\ud83d"}'
    assert json.loads(b'{"a":123456789012345678901234567890}') == {"a": 123456789012345678901234567890}
    assert json.dumps({"a": 2**70}) == b'{"a":1180591620717411303424}'
    assert json.loads(b'{"a":1e30}') == {"a": 1e30}


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"{} x",
        b"NaN",
        b'{"a":-Infinity}',
        b'{"\\u0041":NaN}',
        b"1e999",
        b'{"a":"\\ud800","b":1e999}',
        b'{"a":"\\ud800","b":' + b"9" * 5000 + b"}",
        b'"\xff"',
        b'"\\u0041\xff"',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"\\u0041":' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_a_value_error(broken: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the wording is the parser's
        json.loads(broken)


def test_the_last_of_two_equal_keys_wins_on_both_paths() -> None:
    assert json.loads(b'{"a":1,"a":2}') == json.exact_loads(b'{"a":1,"a":2}') == {"a": 2}


def test_depth_is_counted_over_lists_and_objects() -> None:
    assert not json.is_deeper_than(nested(100))
    assert json.is_deeper_than(nested(101))
    assert json.is_deeper_than({"a": [{"b": []}]}, 3)
    assert not json.is_deeper_than({"a": [{"b": 1}], "c": "[[[["}, 3)
    assert json.is_deeper_than(nested(50_000))
