"""The plain text that a custom tool is called with, out of the arguments of the function that stands for it."""

from __future__ import annotations

import json
import re
from typing import Any, Final, final

_START: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_TEXT: Final = re.compile(r'(?:[^"\\]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
"""The longest beginning of a JSON string without half an escape."""
_CUT: Final = re.compile(r"(?:\\u[dD][89abAB][0-9a-fA-F]{2})?(?:\\(?:u[0-9a-fA-F]{0,3})?)?")
"""An escape that was cut off."""
_END: Final = re.compile(r'"\s*\}\s*\Z')
_HALF: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")
"""The first half of a character that JSON writes in two."""


@final
class PlainInput:
    """Take arguments piece by piece, and give the text as far as it is there."""

    __slots__ = ("_begun", "_over", "_pending")

    def __init__(self) -> None:
        self._pending = ""
        self._begun = False
        """The text has begun."""
        self._over = False

    def add(self, arguments: str) -> str:
        """Take a piece; return the text that it brought."""
        self._pending += arguments
        if self._over:
            return ""
        if not self._begun:
            start = _START.match(self._pending)
            if start is None:
                return ""
            self._begun = True
            self._pending = self._pending[start.end() :]
        found = _TEXT.match(self._pending)
        assert found is not None
        text = found[0]
        self._over = self._pending.startswith('"', len(text))
        if not self._over and (half := _HALF.search(text)):
            text = text[: half.start()]
        self._pending = self._pending[len(text) :]
        return _plain(text)

    def rest(self) -> str:
        """Return what is left at the end: all of it, where the model sent the text itself or in another form."""
        if not self._begun:
            return _input_of(self._pending)
        return "" if self._over or _CUT.fullmatch(self._pending) else _END.sub("", self._pending)


def _plain(text: str) -> str:
    """Return what stands between the quotes of a JSON string; models write line breaks as they are."""
    found: str = json.loads(f'"{text}"', strict=False)
    return found


def _input_of(arguments: str) -> str:
    try:
        found: Any = json.loads(arguments)
    except ValueError:
        return arguments
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments
