"""Numbers between bounds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.grammars.grammar import Grammar
from llms.providers.llama_cpp.child.grammars.json_numbers import Bounds, integer_rule, number_rule
from tests.providers.llama_cpp.child.matching import allows

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
pytestmark = pytest.mark.local


def is_within(value: float, bounds: Bounds) -> bool:
    high_enough = bounds.low is None or value > bounds.low or (value == bounds.low and not bounds.above)
    low_enough = bounds.high is None or value < bounds.high or (value == bounds.high and not bounds.below)
    return high_enough and low_enough


def near(draw: st.DrawFn, bounds: Bounds) -> float:
    around = [edge for edge in (bounds.low, bounds.high) if edge is not None]
    return draw(st.sampled_from([*around, 0])) + draw(st.integers(-12, 12))


@st.composite
def integer_cases(draw: st.DrawFn) -> tuple[Bounds, int]:
    edge = st.none() | st.integers(-12, 12) | st.integers(-100_000, 100_000)
    bounds = Bounds(draw(edge), draw(edge), draw(st.booleans()), draw(st.booleans()))
    return bounds, int(near(draw, bounds))


@settings(max_examples=300)
@given(integer_cases())
def test_exactly_the_integers_within_bounds_pass(case: tuple[Bounds, int]) -> None:
    bounds, value = case
    body = integer_rule(bounds)
    passes = body is not None and allows(Grammar().text(body), str(value))
    assert passes is is_within(value, bounds)


@st.composite
def number_cases(draw: st.DrawFn) -> tuple[Bounds, float]:
    edge = st.none() | st.integers(-12, 12) | st.integers(-500, 500).map(lambda number: number / 100)
    bounds = Bounds(draw(edge), draw(edge), draw(st.booleans()), draw(st.booleans()))
    return bounds, near(draw, bounds) + draw(st.sampled_from([0, 0.25, -0.5, 0.01]))


@settings(max_examples=300)
@given(number_cases())
def test_no_number_beyond_its_bounds_passes(case: tuple[Bounds, float]) -> None:
    bounds, value = case
    body = number_rule(bounds)
    if body is not None and allows(Grammar().text(body), json.dumps(value)):
        assert is_within(value, bounds)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (Bounds(0, 1), "0.5"),
        (Bounds(0, 1), "1"),
        (Bounds(-1, 1), "-0.25"),
        (Bounds(0, None, above=True), "19.99"),
        (Bounds(None, -3), "-3.5"),
        (Bounds(None, None, above=True), "7"),
    ],
)
def test_usual_numbers_pass(bounds: Bounds, text: str) -> None:
    body = number_rule(bounds)
    assert body is not None
    assert allows(Grammar().text(body), text)


@pytest.mark.parametrize("bounds", [Bounds(2, 1), Bounds(1, 1, above=True), Bounds(1, 2, above=True, below=True)])
def test_bounds_without_integers_between_them(bounds: Bounds) -> None:
    assert integer_rule(bounds) is None
