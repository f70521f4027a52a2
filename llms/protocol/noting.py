"""What is noted of an answer in a client's own dialect while its bytes are passed on: usage, how it ended, whether.

Each dialect that providers may pass on has a class `Noting` of this shape, in the module that `_PLACES` names for it:
one for each answer, made without arguments. `signs` are bytes, and what holds none of them cannot hold an event that
is worth to be looked at; so the many events that only bring text are never decoded. `event` is given each event of a
read that holds a sign. `whole` is given a whole answer's JSON, and `unfold` is for an upstream that answers a stream
request with it: the events that tell it. Pure: bytes and JSON in, bytes out.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Protocol, cast

from llms.protocol.chat import Usage

_PLACES: Final[Mapping[str, str]] = {
    "messages": "llms.protocol.dialects.messages.noting",
    "responses": "llms.protocol.dialects.responses.noting",
    "completions": "llms.protocol.dialects.completions.noting",
}


class Noting(Protocol):
    """What is noted of one answer."""

    signs: ClassVar[tuple[bytes, ...]]
    """Bytes of which every event that tells of usage, of an end or of an error holds one."""
    finish: str | None
    """How the answer ended, in the words of chat completions."""
    complete: bool
    """What the answer says is all there."""
    done: bool
    """Nothing follows: what else comes is not read."""

    @property
    def usage(self) -> Usage | None:
        """Return the tokens as far as they were told."""
        ...

    def event(self, name: bytes, data: bytes, /) -> Any:
        """Note an event; return the decoded JSON (or text) of one that reports an error, None for all others."""
        ...

    def whole(self, item: Any, /) -> bool:
        """Note a whole answer; False when it is none of the dialect. Errors were looked for before."""
        ...

    def ending(self) -> bytes:
        """Return the events that an upstream left out at the end of a complete answer; b"" when nothing is missing."""
        ...

    def unfold(self, item: Any, body: bytes, /) -> bytes:
        """Return the events of a stream that tells a whole answer, of which `body` is the JSON text."""
        ...


def noting(dialect: str) -> Noting:
    """Return what notes an answer of a dialect; its module is imported with the first of them."""
    return cast(Noting, importlib.import_module(_PLACES[dialect]).Noting())
