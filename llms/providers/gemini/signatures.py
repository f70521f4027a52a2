"""Signatures of function calls, for clients that lose them: Gemini 3 refuses a call that comes back without its own."""

from __future__ import annotations

from typing import Final, final

_MOST: Final = 4096
_LONGEST: Final = 64 * 1024
"""Characters; what is longer is left to the client."""
_ALL: Final = 8 * 2**20
"""Characters of all of them together."""


@final
class Signatures:
    """Remember the latest signatures by the ids of their calls."""

    __slots__ = ("_known", "_size")

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._size = 0

    def keep(self, call_id: str, signature: str) -> None:
        """Remember one, and forget the oldest where there are too many."""
        if len(signature) > _LONGEST:
            return
        self._size += len(signature) - len(self._known.pop(call_id, ""))
        self._known[call_id] = signature
        while len(self._known) > _MOST or self._size > _ALL:
            self._size -= len(self._known.pop(next(iter(self._known))))

    def of(self, call_id: str) -> str | None:
        """Return the signature of a call, which is in use and stays a while longer; None for an unknown one."""
        signature = self._known.get(call_id)
        if signature is not None:
            self.keep(call_id, signature)
        return signature
