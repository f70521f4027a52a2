from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.routing.routes import Named, Target
from llms.routing.wildcard import wildcards


def row(*targets: str, overflow: str | None = None) -> Named:
    return Named(tuple(map(Target.of, targets)), overflow=Target.of(overflow) if overflow else None)


@pytest.mark.parametrize(
    ("pattern", "target", "name", "expected"),
    [
        ("gpt-4o*", "openai/*", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("gpt-4o*", "openai/*", "gpt-4o", "openai/gpt-4o"),
        ("*", "openai/*", "o3", "openai/o3"),
        ("*", "local/demo", "anything", "local/demo"),
        ("cloud/*", "openai/*", "cloud/o3", "openai/o3"),
        ("gpt-4o*", "openrouter/openai/gpt-4o*", "gpt-4o-mini", "openrouter/openai/gpt-4o-mini"),
        ("gpt-*", "openrouter/openai/gpt-*", "gpt-5", "openrouter/openai/gpt-5"),
        ("*-fast", "groq/*", "llama-fast", "groq/llama-fast"),
        ("my-*-eu", "azure/*-deployment", "my-gpt-eu", "azure/gpt-deployment"),
    ],
)
def test_the_clients_text_takes_the_place_of_the_star(pattern: str, target: str, name: str, expected: str) -> None:
    (card,) = wildcards([(pattern, row(target, overflow=target))])
    assert card.matches(name)
    filled = card.filled(name)
    assert filled.targets[0].id == expected
    assert filled.overflow is not None
    assert filled.overflow.id == expected


def test_weight_and_strategy_survive() -> None:
    (card,) = wildcards([("a*", Named((Target("x", "*", 5), Target("y", "m", 2)), "weighted"))])
    filled = card.filled("abc")
    assert [(target.id, target.weight) for target in filled.targets] == [("x/abc", 5), ("y/m", 2)]
    assert filled.strategy == "weighted"


def test_names_without_a_star_are_no_wildcards() -> None:
    assert wildcards([("plain", row("a/m"))]) == []


def test_the_longest_literal_prefix_comes_first() -> None:
    names = ["*", "gpt-*", "gpt-4*", "gpt-4o*", "gpt-4*-mini"]
    found = wildcards([(name, row("a/*")) for name in names])
    assert [card.pattern for card in found] == ["gpt-4o*", "gpt-4*-mini", "gpt-4*", "gpt-*", "*"]


@pytest.mark.parametrize("name", ["", "gpt", "GPT-4o", "xgpt-4o", "gpt-4"])
def test_other_names_do_not_match(name: str) -> None:
    (card,) = wildcards([("gpt-4o*", row("a/*"))])
    assert not card.matches(name)


def test_prefix_and_suffix_may_not_overlap() -> None:
    (card,) = wildcards([("aba*ba", row("a/*"))])
    assert not card.matches("aba")
    assert card.matches("ababa")


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=20))
def test_a_pattern_matches_what_it_was_made_of(prefix: str, suffix: str, middle: str) -> None:
    prefix, suffix = prefix.replace("*", ""), suffix.replace("*", "")
    (card,) = wildcards([(f"{prefix}*{suffix}", row("a/p-*"))])
    name = prefix + middle + suffix
    assert card.matches(name)
    assert card.filled(name).targets[0].id == f"a/p-{middle}"
