"""Errors without the calls that they went through."""

from __future__ import annotations


def let_go(error: BaseException) -> None:
    """Drop the frames and the causes of an error that was dealt with; it may be kept and told further.

    Frames hold the error that they raised, and with it the whole request, its buffers and its connections. Such a ring
    is only freed by the garbage collector, which comes rarely to a server that makes no other garbage.
    """
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None:
            pending += (each.__cause__, each.__context__)
            each.__traceback__ = each.__cause__ = each.__context__ = None
