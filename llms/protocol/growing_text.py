"""A text that grows by pieces: by those that were decoded, and by those that have passed as they stand in JSON."""

from __future__ import annotations

from typing import final

from llms.protocol import json


@final
class GrowingText:
    """Join the pieces when somebody asks."""

    __slots__ = ("_pieces", "passed")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._pieces: list[str] = []
        self.passed: list[bytes] = []
        """What came after all that was added: pieces without half a character or half an escape."""

    def __bool__(self) -> bool:
        return bool(self._pieces or self.passed)

    def add(self, text: str) -> None:
        """Take the next piece."""
        if self.passed:
            self._settle()
        self._pieces.append(text)

    def whole(self) -> str:
        """Return all of it."""
        self._settle()
        return "".join(self._pieces)

    def _settle(self) -> None:
        if self.passed:
            self._pieces.append(json.loads(b'"%b"' % b"".join(self.passed)))
            self.passed.clear()
