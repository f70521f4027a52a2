"""Where a JSON object or array ends, found while it still arrives."""

from __future__ import annotations

from typing import final


@final
class JsonEnd:
    """Count brackets outside of strings; whether it is JSON at all is for others to say."""

    __slots__ = ("_depth", "_escaped", "_quoted")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def find(self, text: str) -> int | None:
        """Return how many characters of the next text belong to the value, None when all do and more must come.

        The value's opening bracket must be the first character of the first text.
        """
        for place, character in enumerate(text):
            if self._quoted:
                self._in_string(character)
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return place + 1
            elif character == '"':
                self._quoted = True
        return None

    def _in_string(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._quoted = False
