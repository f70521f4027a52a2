"""An error that was dealt with holds no frames: not its own, not those of what led to it."""

from __future__ import annotations

import gc
import weakref

import pytest

from llms.protocol.errors import LlmsError, UpstreamTruncated, UpstreamUnreachable
from llms.protocol.frames import let_go


class Buffer:
    """Something that a frame holds."""


def fail(kept: list[weakref.ref[Buffer]]) -> LlmsError:
    """Return an error that went through frames with buffers, raised from one that did, during one that did."""

    def lose() -> None:
        buffer = Buffer()
        kept.append(weakref.ref(buffer))
        raise ConnectionResetError

    def translate(failure: LlmsError) -> None:
        buffer = Buffer()
        kept.append(weakref.ref(buffer))
        try:
            lose()
        except OSError as lost:
            raise failure from lost

    try:
        try:
            translate(UpstreamUnreachable("gone"))
        except LlmsError:
            translate(UpstreamTruncated("gone, too"))
    except LlmsError as error:
        return error
    raise AssertionError


def test_nothing_is_held_any_more() -> None:
    kept: list[weakref.ref[Buffer]] = []
    gc.disable()
    try:
        error = fail(kept)
        assert [ref() is None for ref in kept] == [False] * 4
        let_go(error)
        assert [ref() is None for ref in kept] == [True] * 4
    finally:
        gc.enable()
    assert error.message == "gone, too"


def test_an_error_that_leads_to_itself_has_an_end() -> None:
    first, second = LlmsError("a"), LlmsError("b")
    first.__cause__, second.__cause__ = second, first
    let_go(first)
    assert (first.__cause__, second.__cause__) == (None, None)


def test_it_can_be_raised_again() -> None:
    error = fail([])
    let_go(error)
    with pytest.raises(UpstreamTruncated, match="gone, too"):
        raise error
