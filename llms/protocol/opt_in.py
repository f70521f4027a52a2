"""What a client may ask of its stream beyond OpenAI's, by name, as the header `X-LLMS-Stream` lists it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, cast, get_args

OptIn = Literal["progress", "resumable", "batch"]
NOTHING: Final[frozenset[OptIn]] = frozenset()
_KNOWN: Final = frozenset(get_args(OptIn))


def opted_in(values: Iterable[str]) -> frozenset[OptIn]:
    """Return what a client asked for; each value of the header is a comma list, unknown words mean nothing."""
    words = {word.strip().lower() for value in values for word in value.split(",")}
    return cast(frozenset[OptIn], words & _KNOWN)
