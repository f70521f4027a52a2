"""How long a server asks to be left alone."""

from __future__ import annotations


def seconds(text: str) -> float | None:
    """Read a Retry-After in seconds; None for any other."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
