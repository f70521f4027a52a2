from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.routing.nearest import Nearest

IDS = ["openai/gpt-4o", "openai/gpt-4o-mini", "claude/claude-opus-5", "local/demo", "smart"]


def nearest() -> Nearest:
    return Nearest({**{one.partition("/")[2] or one: one for one in IDS}, **{one: one for one in IDS}})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt4o", "openai/gpt-4o"),
        ("GPT-4o", "openai/gpt-4o"),
        ("gpt-4o-mni", "openai/gpt-4o-mini"),
        ("openai/gpt-4-o", "openai/gpt-4o"),
        ("claude-opus", "claude/claude-opus-5"),
        ("dmeo", "local/demo"),
        ("samrt", "smart"),
    ],
)
def test_a_typing_mistake_is_recognised(name: str, expected: str) -> None:
    assert nearest().find(name, most=3)[0] == expected


def test_an_id_is_named_once() -> None:
    found = nearest().find("gpt-4o-min", most=3)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", ["", "x", "llama-3", "zzzzzzzz", "x" * 10_000])
def test_what_resembles_nothing_finds_nothing(name: str) -> None:
    assert nearest().find(name, most=3) == []


def test_nothing_is_near_where_nothing_is() -> None:
    assert Nearest({}).find("gpt-4o", most=3) == []


def test_an_id_of_one_character_can_be_compared() -> None:
    assert Nearest({"x": "x"}).find("y", most=3) == []
    assert Nearest({"x": "x"}).find("X", most=3) == ["x"]


@given(st.text(max_size=120))
def test_any_text_may_be_asked_for(name: str) -> None:
    assert len(nearest().find(name, most=3)) <= 3


def test_thousands_of_ids_are_searched_within_milliseconds() -> None:
    many = Nearest({f"vendor{n}/some-model-{n % 97}-{n % 13}b-instruct": str(n) for n in range(5_000)})
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        assert many.find("vendor9/some-modl-7b-instruct", most=3)
        best = min(best, time.perf_counter() - start)
    assert best < 0.05
