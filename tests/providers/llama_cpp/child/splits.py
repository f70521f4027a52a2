"""Feed a text in pieces, and join those of the deltas that continue each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hypothesis import strategies as st

from llms.providers.llama_cpp.child.answer.delta import Argued, Called, Delta, Said, Thought


class Reader(Protocol):
    """What takes a text in pieces."""

    def feed(self, text: str) -> list[Delta]: ...

    def end(self) -> list[Delta]: ...


def read(make: Callable[[], Reader], pieces: Sequence[str]) -> list[Delta]:
    """Return the joined deltas of some pieces."""
    reader = make()
    found = [delta for piece in pieces for delta in reader.feed(piece)]
    return joined([*found, *reader.end()])


def joined(deltas: Sequence[Delta]) -> list[Delta]:
    whole: list[Delta] = []
    for delta in deltas:
        last = whole[-1] if whole else None
        if isinstance(delta, Called) or type(last) is not type(delta):
            whole.append(delta)
        elif isinstance(delta, Said | Thought | Argued):
            assert not isinstance(last, Called | None)
            whole[-1] = type(delta)(last.text + delta.text)
    return whole


def split(text: str, places: Sequence[int]) -> list[str]:
    """Cut a text at places modulo its length."""
    cuts = sorted({place % (len(text) + 1) for place in places})
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)
