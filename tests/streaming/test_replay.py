"""The buffer of a stream: every event once, in order, by id; bounded, with the text of what had to go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llms.streaming.replay import Event, Replay

COST = 48
"""What an event counts beside its own bytes."""


def text_of(event: bytes) -> str:
    return event.decode()[6:-2]


def made(bound: int = 10_000) -> Replay:
    return Replay(bound, text_of=text_of)


def frame(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


def everything(replay: Replay, *, after: int) -> list[Event]:
    found: list[Event] = []
    while some := replay.after(after):
        found += some
        after = found[-1].id
    return found


WORDS = st.lists(st.lists(st.text(alphabet="abcü🎈", max_size=40), min_size=1, max_size=6), max_size=30)


@given(WORDS, st.integers(0, 200))
def test_events_are_numbered_from_one_however_they_come(reads: list[list[str]], after: int) -> None:
    replay = made(10**6)
    for words in reads:
        replay.add(b"".join(map(frame, words)))
    flat = [frame(word) for words in reads for word in words]
    assert replay.last == len(flat)
    expected = [Event(at, data) for at, data in enumerate(flat, 1)]
    assert everything(replay, after=after) == expected[after:]


@given(WORDS, st.integers(0, 3000))
def test_the_bound_holds_and_what_is_left_is_the_end(reads: list[list[str]], bound: int) -> None:
    replay = made(bound)
    texts: list[str] = []
    for words in reads:
        replay.add(b"".join(map(frame, words)))
        texts += words
        newest = len(frame(words[-1])) + COST
        assert replay.size <= max(bound, newest)
        kept = everything(replay, after=replay.first - 1)
        assert [event.id for event in kept] == list(range(replay.first, len(texts) + 1))
        assert [text_of(event.data) for event in kept] == texts[replay.first - 1 :]
    assert "".join(texts).startswith(replay.text())
    if replay.text_is_whole:
        assert replay.text() == "".join(texts)


def test_a_name_of_an_event_is_kept() -> None:
    replay = made()
    replay.add(b"event: one\ndata: 1\n\nevent: two\ndata: 2\n\n")
    assert [event.data for event in replay.after(0)] == [b"event: one\ndata: 1\n\n", b"event: two\ndata: 2\n\n"]


def test_a_reader_is_given_a_little_at_a_time() -> None:
    replay = made(10**7)
    replay.add(frame("x" * 1000) * 1000)
    some = replay.after(0)
    assert 1 < len(some) < 100
    assert len(everything(replay, after=0)) == 1000


def test_the_newest_event_stays_whatever_its_size() -> None:
    replay = made(100)
    replay.add(frame("a"))
    replay.add(frame("b" * 1000))
    assert [event.id for event in replay.after(1)] == [2]


@given(WORDS, st.integers(0, 200), st.integers(0, 3000))
def test_in_one_piece_it_is_the_same(reads: list[list[str]], after: int, size: int) -> None:
    loose, packed = made(10**6), made(10**6)
    for words in reads:
        for replay in (loose, packed):
            replay.add(b"".join(map(frame, words)))
    packed.pack()
    assert everything(packed, after=after) == everything(loose, after=after)
    assert (packed.last, packed.size, packed.text()) == (loose.last, loose.size, loose.text())
    for replay in (loose, packed):
        replay.shrink(size)
        replay.add(frame("more"))
    assert everything(packed, after=packed.first - 1) == everything(loose, after=loose.first - 1)
    assert (packed.first, packed.size, packed.text()) == (loose.first, loose.size, loose.text())
