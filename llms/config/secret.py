"""A text that must not be shown."""

from __future__ import annotations

from typing import final

_SHOWN = "**********"


@final
class SecretStr:
    """A secret: its text is there for who asks for it, and never in a log line or a traceback.

    It has the name and the method of pydantic's, which providers of other packages use.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text in the clear."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return _SHOWN if self._text else ""

    def __repr__(self) -> str:
        return f"SecretStr({str(self)!r})"
