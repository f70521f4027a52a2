"""What this process and the child with the model say to each other; the number is that of a chat."""

from __future__ import annotations

from typing import Final

# To the child.
LOAD: Final = 1
"""Once, first: a `Load` as JSON."""
CHAT: Final = 2
"""Begin a chat: the body."""
EMBED: Final = 3
"""Begin to embed: the body."""
STOP: Final = 4
"""Give it up."""
TAKEN: Final = 5
"""So many bytes of its pieces were read: eight bytes, little endian."""

# From the child.
LOADED: Final = 10
"""The facts of the model as JSON."""
UNLOADABLE: Final = 11
"""Why it cannot be loaded; the child ends."""
PIECE: Final = 12
"""A piece of an answer."""
END: Final = 13
"""The chat is over and its slot is free: nothing, or `{"kind": …, "message": …}` of what the library raised."""

WINDOW: Final = 2**16
"""Bytes of pieces on their way to a reader; a chat that has so many waits until some are taken."""


def count(taken: int) -> bytes:
    """Return the payload of TAKEN."""
    return taken.to_bytes(8, "little")


def counted(payload: bytes) -> int:
    """Read the payload of TAKEN."""
    return int.from_bytes(payload, "little")
