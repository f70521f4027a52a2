"""A call that the model has to make: a grammar gives its text one form, so that its arguments can stream."""

from __future__ import annotations

import json
import re
from typing import Final, final

from llms.providers.llama_cpp.child.answer.delta import Argued, Called, Delta
from llms.providers.llama_cpp.child.answer.json_end import JsonEnd

BEFORE_NAME: Final = '{"name": '
BEFORE_ARGUMENTS: Final = ', "arguments": '
AFTER_ARGUMENTS: Final = "}"
_HEAD: Final = re.compile(re.escape(BEFORE_NAME) + r'("(?:[^"\\]|\\.)*")' + re.escape(BEFORE_ARGUMENTS) + r"(?=\{)")


@final
class ForcedCall:
    """Read `{"name": …, "arguments": {…}}` as it is written."""

    __slots__ = ("_end", "_held", "_over")

    def __init__(self) -> None:
        self._held = ""
        self._end: JsonEnd | None = None
        """Looks for the end of the arguments, once they have begun."""
        self._over = False

    def feed(self, text: str) -> list[Delta]:
        """Return what is new of the call."""
        if self._end is not None:
            return self._argue(self._end, text)
        self._held += text
        head = _HEAD.match(self._held)
        if head is None:
            return []
        self._end = JsonEnd()
        return [Called(json.loads(head[1])), *self._argue(self._end, self._held[head.end() :])]

    def end(self) -> list[Delta]:
        """Return what was held back: nothing, because a call that is cut before its arguments is none."""
        return []

    def _argue(self, end: JsonEnd, text: str) -> list[Delta]:
        """Let the arguments through; what follows them only closes the form."""
        if self._over or not text:
            return []
        length = end.find(text)
        self._over = length is not None
        return [Argued(text[:length])]
