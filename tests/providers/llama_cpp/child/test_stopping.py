"""Stop strings in any split of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.answer.stopping import StopFinder


def through(stops: list[str], pieces: list[bytes]) -> tuple[bytes, bool]:
    finder = StopFinder(stops)
    found = b""
    for piece in pieces:
        found += finder.feed(piece)
        if finder.found:
            return found, True
    return found + finder.end(), False


@pytest.mark.parametrize(
    ("stops", "text", "expected"),
    [
        ([], "abc", ("abc", False)),
        (["b"], "abc", ("a", True)),
        (["bc", "c"], "abcd", ("a", True)),
        (["abc", "b"], "abc", ("a", True)),
        (["###"], "a##b##", ("a##b##", False)),
        (["ü"], "grün", ("gr", True)),
        (["\n\n", "End"], "En\nd\n\nEnd", ("En\nd", True)),
        (["abab"], "ababab", ("", True)),
        (["aab"], "aaab", ("a", True)),
    ],
)
def test_text_ends_before_the_first_stop_string(stops: list[str], text: str, expected: tuple[str, bool]) -> None:
    wanted = (expected[0].encode(), expected[1])
    assert through(stops, [text.encode()]) == wanted
    assert through(stops, [bytes([byte]) for byte in text.encode()]) == wanted


@given(
    stops=st.lists(st.text("abü", min_size=1, max_size=4), min_size=1, max_size=3),
    pieces=st.lists(st.text("abüc", max_size=5).map(str.encode), max_size=8),
)
def test_how_the_text_is_split_makes_no_difference(stops: list[str], pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    found, stopped = through(stops, pieces)
    assert (found, stopped) == through(stops, [bytes([byte]) for byte in whole])
    assert whole.startswith(found)
    assert not any(stop.encode() in found for stop in stops)
    assert stopped == any(stop.encode() in whole for stop in stops)
    if not stopped:
        assert found == whole


def test_nothing_is_held_back_that_cannot_become_a_stop_string() -> None:
    finder = StopFinder(["STOP"])
    assert [finder.feed(piece) for piece in (b"a", b"S", b"T", b"x", b"ST")] == [b"a", b"", b"", b"STx", b""]
