"""Clients' grammars, before llama.cpp sees them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.grammars.grammar import Grammar
from llms.providers.llama_cpp.gbnf import check_grammar

JSON = Grammar().text("object")


@pytest.mark.parametrize(
    "grammar",
    [
        JSON,
        'root ::= "a" # ::= )\n  | "b"\nx ::= [^\\]"]*',
        'root  ::= (expr "=" ws term "\\n")+\nexpr ::= term ([-+*/] term)*\nterm ::= [a-z]\nws ::= [ \\t]*',
        'root ::= item{2,5} . <think> !<[7]>\nitem ::= "- " [^\\n]+ "\\n"',
        'root ::= "a" root | ""',
        "root ::= | " + '"a"',
        "root ::=",
    ],
)
def test_grammars_are_let_through(grammar: str) -> None:
    check_grammar(grammar)


@pytest.mark.parametrize(
    ("grammar", "expected"),
    [
        ("", "a rule `root`"),
        ('other ::= "a"', "a rule `root`"),
        ("root ::= nothing", "defines every rule"),
        ('root ::= root "a" | "b"', "do not begin with themselves"),
        ('root ::= a? root "x"\na ::= "a"', "do not begin with themselves"),
        ('root ::= "a"\nb ::= c "x"\nc ::= ("y"* b)', "do not begin with themselves"),
        ("root ::= (", "brackets are all closed"),
        ("root ::= )", "in line 1"),
        ('root ::= ( "a"\nb ::= "c" )', "in line 2"),
        ("root ::= *", "repeats nothing in line 1"),
        ('root ::= "a"\n\nroot = "a"', "in line 3"),
        ('root ::= "a', "in line 1"),
        ('"a" ::= "b"', "in line 1"),
        ("root ::= " + "(" * 101 + '"a"' + ")" * 101, "brackets within each other"),
        ("root ::= " + '("a")' * 601, "at most 600 rules and groups"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_wrong_with_others(grammar: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_grammar(grammar)


def shared(levels: int) -> str:
    """Return rules that each begin with one of two others."""
    pairs = [f"r{n} ::= r{n + 1} | s{n + 1}\ns{n} ::= s{n + 1} | r{n + 1}" for n in range(levels)]
    return "\n".join(["root ::= r0", *pairs, f'r{levels} ::= "a"', f's{levels} ::= "b"'])


def steps(grammar: str) -> int:
    """Return how many lines of Python a check takes."""
    count = 0

    def step(frame: FrameType, event: str, found: object) -> Callable[..., Any]:
        nonlocal count
        count += 1
        return step

    sys.settrace(step)
    try:
        check_grammar(grammar)
    finally:
        sys.settrace(None)
    return count


def test_a_grammar_that_would_keep_llama_cpp_busy_is_refused() -> None:
    check_grammar(shared(10))
    with pytest.raises(ValueError, match="begin in fewer ways"):
        check_grammar(shared(200))


def chain(rules: int) -> str:
    """Return rules that each begin with the next."""
    return "\n".join(["root ::= r0", *(f"r{n} ::= r{n + 1}" for n in range(rules)), f'r{rules} ::= ""'])


def test_long_chains_of_rules_are_followed_in_linear_time() -> None:
    check_grammar(chain(590))
    assert steps(chain(200)) < 2.5 * steps(chain(100))


def hollow(rules: int) -> str:
    """Return rules that may all be empty, and one that begins with many others."""
    links = "\n".join(
        ["root ::= r0", *(f'r{n} ::= r{n + 1} | "x"' for n in range(rules)), f'r{rules} ::= ""', "z ::= r0"]
    )
    return links + " | q" * 10 * rules + '\nq ::= "x"'


def test_many_rules_that_may_be_empty_are_found_in_linear_time() -> None:
    check_grammar(hollow(480))
    assert steps(hollow(240)) < 2.5 * steps(hollow(120))


def test_what_is_empty_through_others_counts_as_empty() -> None:
    with pytest.raises(ValueError, match="do not begin with themselves"):
        check_grammar('root ::= a root | "x"\na ::= b c | "y"\nb ::= c c\nc ::= "z"?')


WORDS = st.sampled_from(
    ["root", "::=", "a", "b", '"t"', "[x-z]", "(", ")", "|", "*", "?", "{1,2}", "\n", " ", ".", "<t>", "_"]
)


@given(st.lists(WORDS, max_size=20).map("".join) | st.text(max_size=20))
def test_whatever_it_is_there_is_an_answer(grammar: str) -> None:
    try:
        check_grammar(grammar)
    except ValueError as expected:
        words = str(expected)
    else:
        words = "GBNF"
    assert words.startswith(("GBNF", "a grammar"))
