"""Regular expressions in JSON strings."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.grammars.grammar import Grammar
from llms.providers.llama_cpp.child.grammars.pattern import pattern_rule
from tests.providers.llama_cpp.child.matching import allows

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
pytestmark = pytest.mark.local


def passes(pattern: str, text: str) -> bool:
    return allows(Grammar().text(pattern_rule(pattern)), json.dumps(text, ensure_ascii=False))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("^[a-z]+$", ["abc"], ["", "aB"]),
        (r"^\d{3}-\d{4}$", ["555-1234"], ["555-123"]),
        ("ab|cd", ["ab", "xxcdyy"], ["ac"]),
        ("^(foo|ba[rz]){1,2}$", ["foo", "foobar", "baz"], ["foofoofoo"]),
        ("^[^a]$", ["b", "é", '"', "\\"], ["a", "", "\t"]),
        (r'^"\\$', ['"\\'], ["a"]),
        (r"^[\w.+-]+@[\w-]+\.[a-z]{2,}$", ["a.b+c@x-y.de"], ["a@b"]),
        (r"^\u0041\x42\t$", ["AB\t"], ["ab"]),
        ("^a.c$", ["abc", 'a"c'], ["ac"]),
        ("^$", [""], ["a"]),
        ("", ["", "x"], []),
        (r"^\S+\s\S+$", ["a b"], ["ab"]),
        ("^[a-]$", ["a", "-"], ["b"]),
        (r"^[\d-x]$", ["5", "-", "x"], ["b"]),
        ("^(?:x)?y*?$", ["xyy", "y", ""], ["z"]),
        (r"^\D\W$", ["a!"], ["1!", "ab"]),
        ("^a|b$", ["ax", "xb"], ["xa"]),
        ("^x{0}y$", ["y"], ["xy"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    for text in yes:
        assert passes(pattern, text), f"{text!r} matches"
    for text in no:
        assert not passes(pattern, text), f"{text!r} does not match"


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?=a)b", r"\bfoo", r"(a)\1", "[", "(", "a)", "a{2,1}", "a{1000}", "**", "[]", "\\", r"\p{L}", "(?i)a"),
        *("[b-a]", "a{x}", "[\x7f]", r"\xZZ", "a^b", "(" * 10_000),
    ],
)
def test_what_is_too_much_for_a_grammar(pattern: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        pattern_rule(pattern)


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\.", "(a|b)", "((?:ab)+)", '"', "é"])
PATTERNS = st.lists(st.tuples(ATOMS, st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,3}"])), max_size=4).map(
    lambda parts: "".join(atom + often for atom, often in parts)
)


@settings(max_examples=200)
@given(pattern=PATTERNS, anchored=st.booleans(), text=st.text('ab1."é ', max_size=6))
def test_it_matches_as_regular_expressions_do(pattern: str, anchored: bool, text: str) -> None:
    whole = f"^{pattern}$" if anchored else pattern
    assert passes(whole, text) is bool(re.search(whole, text, re.ASCII))
