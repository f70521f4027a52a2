"""The text of a custom tool's call, in whatever pieces its arguments come."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.dialects.responses.plain_input import PlainInput

TEXT = st.text(st.one_of(st.sampled_from('"\\/\n\tu🎈é{}'), st.characters(exclude_categories=("Cs",))), max_size=40)


def heard(arguments: str, cuts: list[int]) -> list[str]:
    plain = PlainInput()
    places = sorted({0, *(cut for cut in cuts if cut < len(arguments)), len(arguments)})
    return [*(plain.add(arguments[start:end]) for start, end in pairwise(places)), plain.rest()]


@given(TEXT, st.lists(st.integers(0, 300), max_size=6), st.booleans(), st.sampled_from([None, 1]))
def test_any_text_in_any_pieces(text: str, cuts: list[int], ascii_only: bool, indent: int | None) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only, indent=indent)

    assert "".join(heard(arguments, cuts)) == text


def test_it_comes_before_the_end() -> None:
    assert heard('{"input": "*** Begin\\nPatch"}', [12, 21]) == ["*", "*** Begin"[1:], "\nPatch", ""]


@pytest.mark.parametrize("sent", ["*** Begin", '{"text": 1}', "[]", '"input"', "", "{"])
def test_what_is_no_such_object_is_the_text_itself(sent: str) -> None:
    assert "".join(heard(sent, [3])) == sent


def test_an_object_with_more_in_it_is_looked_into() -> None:
    assert "".join(heard('{"why": "x", "input": "y"}', [5, 15])) == "y"


def test_a_text_that_was_cut_off_is_what_there_is() -> None:
    assert "".join(heard('{"input": "a\\nb\\u00', [])) == "a\nb"


@pytest.mark.parametrize("cuts", [[], [14], [15, 16]])
def test_what_is_no_escape_is_kept_as_it_is(cuts: list[int]) -> None:
    assert "".join(heard('{"input": "a\\nb\\q c"}', cuts)) == "a\nb\\q c"


def test_line_breaks_may_stand_as_they_are() -> None:
    assert "".join(heard('{"input": "a\nb"}', [13])) == "a\nb"
