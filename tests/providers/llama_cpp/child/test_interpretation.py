"""Bytes of tokens to text, thoughts and calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.answer.delta import Argued, Called, Delta, Said, Thought
from llms.providers.llama_cpp.child.answer.interpretation import Interpretation
from llms.providers.llama_cpp.child.answer.tool_calls import CallFinder
from tests.providers.llama_cpp.child.splits import joined

WHOLE = '<think>ä?</think>Grüß 🦙 dich<tool_call>{"name": "f", "arguments": {"é": 1}}</tool_call> ENDE'


def understood(pieces: list[bytes], *, calls: bool = True) -> tuple[list[Delta], Interpretation]:
    found = Interpretation(stops=["ENDE"], tag=None, calls=CallFinder(["f"]) if calls else None)
    deltas: list[Delta] = []
    for piece in pieces:
        deltas += found.feed(piece)
        if found.is_over:
            break
    return joined([*deltas, *found.end()]), found


@given(st.lists(st.integers(0, len(WHOLE.encode())), max_size=20))
def test_all_of_it_in_any_split(places: list[int]) -> None:
    data = WHOLE.encode()
    cuts = sorted(places)
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    deltas, found = understood(pieces)
    assert deltas == [Thought("ä?"), Said("Grüß 🦙 dich"), Called("f"), Argued('{"é": 1}')]
    assert found.is_over
    assert found.released == len(data) - len("ENDE")


def test_without_tools_nothing_is_a_call() -> None:
    assert understood([b'<tool_call>{"name": "f"}'], calls=False)[0] == [Said('<tool_call>{"name": "f"}')]


def test_half_a_character_at_the_end_is_nothing_and_a_wrong_one_is_marked() -> None:
    assert understood(["abé".encode()[:-1]])[0] == [Said("ab")]
    assert understood([b"a\xffb"])[0] == [Said("a\ufffdb")]
