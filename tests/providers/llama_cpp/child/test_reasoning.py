"""Thoughts apart from what is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.answer.delta import Delta, Said, Thought
from llms.providers.llama_cpp.child.answer.reasoning import TAGS, Reasoning, open_tag
from tests.providers.llama_cpp.child.splits import PLACES, read, split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello", [Said("Hello")]),
        ("  Hello\n", [Said("  Hello\n")]),
        ("<think>\nI see.\n</think>\n\nHello", [Thought("I see."), Said("Hello")]),
        ("\n<think>a</think>b", [Thought("a"), Said("b")]),
        ("<think></think>b", [Said("b")]),
        ("[THINK]a[/THINK]b", [Thought("a"), Said("b")]),
        ("<think>never ends ", [Thought("never ends")]),
        ("<think>a </thi", [Thought("a </thi")]),
        ("<think>a < b </think>c", [Thought("a < b"), Said("c")]),
        ("say <think>no</think>", [Said("say <think>no</think>")]),
        ("<thinking>", [Said("<thinking>")]),
        ("<thin", [Said("<thin")]),
        ("<think>a</think> <think>b</think>", [Thought("a"), Said("<think>b</think>")]),
        ("", []),
    ],
)
def test_thoughts_stand_at_the_beginning_only(text: str, expected: list[Delta]) -> None:
    assert read(Reasoning, [text]) == expected
    assert read(Reasoning, list(text)) == expected


def test_a_prompt_may_have_begun_the_thought() -> None:
    assert open_tag("<|assistant|><think>\n") == "<think>"
    assert open_tag("<think></think>") is None
    assert read(lambda: Reasoning("<think>"), ["\nso", "\n</think>\n", "yes"]) == [Thought("so"), Said("yes")]


WORDS = st.sampled_from([*TAGS, *TAGS.values(), "<thi", "nk>", "</", "a", " ", "\n", "é"])
TAG = re.compile("|".join(map(re.escape, [*TAGS, *TAGS.values()])))


@example(words=["<think>", "<thi", "</think>", "nk>"], places=[], begun=False)
@given(words=st.lists(WORDS, max_size=10), places=PLACES, begun=st.booleans())
def test_how_the_text_is_split_makes_no_difference(words: list[str], places: list[int], begun: bool) -> None:
    text = "".join(words)

    def make() -> Reasoning:
        return Reasoning("<think>" if begun else None)

    found = read(make, split(text, places))
    assert found == read(make, [text])
    told = [delta.text for delta in found if isinstance(delta, Said | Thought)]
    assert "".join(map(_bare, told)) == _bare(text)


def _bare(text: str) -> str:
    """Return a text without tags and whitespace; what stands around a tag becomes none."""
    return "".join(TAG.sub("", text).split())
