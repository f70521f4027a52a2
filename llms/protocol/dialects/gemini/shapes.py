"""Reading decoded JSON that may be of any shape."""

from __future__ import annotations

from typing import Any


def dicts(found: object) -> list[dict[str, Any]]:
    """Return the objects of a list; nothing of what is none."""
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
