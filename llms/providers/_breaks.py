"""How an exchange over an upstream's connection can fail."""

from __future__ import annotations


class BrokenAnswer(Exception):
    """The connection ended, or was cut, before the answer was complete."""


class NoAnswer(BrokenAnswer):
    """The connection ended before the first byte of an answer."""


class NotHttp(Exception):
    """What came back is not HTTP/1.1."""


class Stray(NotHttp):
    """What came back does not even begin as an answer: on a kept connection it belongs to the exchange before."""
