"""Events as bytes, numbered as they are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from llms.protocol import json
from llms.protocol.dialects import TellTexts
from llms.protocol.sse import escape_separators


@final
class Events:
    """Gather the events of one stream."""

    __slots__ = ("_said", "number")

    def __init__(self) -> None:
        self._said: list[bytes] = []
        self.number = 0
        """The number of the next event."""

    def say(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Tell one event: its type, and its fields but for the number."""
        data = escape_separators(json.dumps({"type": kind, "sequence_number": self.number, **fields}))
        self.number += 1
        self._said.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))

    def grow(self, beginning: bytes, text: str) -> None:
        """Tell one event that brings a text, and otherwise what others brought before: see `beginning_of`."""
        self._said.append(b'%b%d,"delta":%b}\n\n' % (beginning, self.number, escape_separators(json.dumps(text))))
        self.number += 1

    def growing(self, beginning: bytes, passed: list[bytes]) -> TellTexts:
        """Return what tells texts at once, as `grow` does one by one, and adds them to those that have `passed`."""

        def tell(texts: Sequence[bytes]) -> bytes:
            number = self.number
            self.number = number + len(texts)
            passed.extend(texts)
            return b"".join(
                [b'%b%d,"delta":"%b"}\n\n' % (beginning, at, text) for at, text in enumerate(texts, number)]
            )

        return tell

    def add(self, event: bytes) -> None:
        """Take an event that has its number."""
        self._said.append(event)
        self.number += 1

    def taken(self) -> bytes:
        """Return what was said since the last time."""
        said, self._said = b"".join(self._said), []
        return said


def beginning_of(kind: str, fields: Mapping[str, Any]) -> bytes:
    """Return all of an event's bytes up to its number: what the deltas of one part have in common."""
    common = json.dumps({"type": kind, **fields})[:-1]
    return b'event: %b\ndata: %b,"sequence_number":' % (kind.encode(), common)
