"""Messages between processes, cut in any way, and bytes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.providers._frames import BadFrame, FrameReader, frame

_FRAMES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=12)


@given(frames=_FRAMES, cuts=st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_any_cut_gives_the_same_messages(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    data = b"".join(frame(*parts) for parts in frames)
    reader = FrameReader(300)
    read = []
    for cut in cuts:
        read += reader.feed(data[:cut])
        data = data[cut:]
    read += reader.feed(data)
    assert read == frames


@given(st.binary(min_size=9, max_size=400))
def test_bytes_that_are_no_messages_never_give_one_that_is_too_long(data: bytes) -> None:
    reader = FrameReader(100)
    try:
        assert all(len(payload) <= 100 for _, _, payload in reader.feed(data))
    except BadFrame:
        return
    assert len(reader._buffer) < 9 + 100


def test_a_message_may_have_as_many_bytes_as_allowed_and_no_more() -> None:
    reader = FrameReader(5)
    assert reader.feed(frame(1, 2, b"12345")) == [(1, 2, b"12345")]
    with pytest.raises(BadFrame, match="6 bytes"):
        reader.feed(frame(1, 2, b"123456")[:9])
