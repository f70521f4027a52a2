"""Where a growing markdown text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.cli.paper import settled


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", ""),
        ("one line", ""),
        ("one\n\n", ""),
        ("one\n\nt", ""),
        ("one\n\nanother block", "one\n\n"),
        ("one\n\ntwo\n", "one\n\n"),
        ("one\n\ntwo\n\nthree\n", "one\n\ntwo\n\n"),
        ("- a\n\n- b\n\nafter it all\n", "- a\n\n- b\n\n"),
        ("- a\n\n- b is still it", ""),
        ("1. a\n\n2. b\n\n   more of b\n", ""),
        ("text\n\n- a new list\n", "text\n\n"),
        ("- a\n\n  its own paragraph\n", ""),
        ("```\ncode\n\nmore code\n", ""),
        ("```\ncode\n\nmore code\n```\n\nafter it all\n", "```\ncode\n\nmore code\n```\n\n"),
        ("````\n```\n\nstill code\n", ""),
        ("~~~\n```\n\nstill code\n~~~\n\nafter it all\n", "~~~\n```\n\nstill code\n~~~\n\n"),
        ("# head\n\n```py\nx = 1\n", "# head\n\n"),
    ],
)
def test_only_whole_blocks_are_settled(text: str, whole: str) -> None:
    assert text[: settled(text)] == whole


BLOCKS = st.lists(
    st.sampled_from(
        [
            "A line of text.\n\n",
            "- item\n",
            "- item\n\n",
            "2. two\n\n",
            "```\nx\n\ny\n```\n\n",
            "# T\n\n",
            "  in\n",
            "\n",
        ]
    ),
    max_size=12,
)


@given(BLOCKS, st.data())
def test_what_is_settled_stays_so_whatever_follows(blocks: list[str], data: st.DataObject) -> None:
    text = "".join(blocks)
    end = data.draw(st.integers(0, len(text)))

    assert 0 <= settled(text[:end]) <= settled(text) <= len(text)
    assert settled(text) == 0 or text[settled(text) - 1] == "\n"


@given(BLOCKS)
def test_fed_by_the_letter_it_is_cut_at_the_same_places(blocks: list[str]) -> None:
    text = "".join(blocks)
    pending, cuts, done = "", [], 0
    for letter in text:
        pending += letter
        end = settled(pending)
        if end:
            done += end
            cuts.append(done)
            pending = pending[end:]

    assert done == settled(text)
    assert cuts == sorted(cuts)


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert 0 <= settled(text) <= len(text)
