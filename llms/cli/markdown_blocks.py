"""Where a growing markdown text can be cut: what stands before can be drawn for good."""

from __future__ import annotations

import re
from typing import Final

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM: Final = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?:\s|$)")
_ENOUGH: Final = 12
"""Characters by which a line shows whether it is an item of a list."""


def settled(text: str) -> int:
    """Return how many characters of `text` are whole blocks, whatever may follow.

    A block ends at a blank line outside of a fence, when the line after it is known to begin another: it is not
    indented, and no item of the same list.
    """
    cut = offset = 0
    fence = ""
    is_blank = is_list = False
    for line in text.split("\n"):
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif not line.strip():
            is_blank = True
        else:
            is_item = bool(_ITEM.match(line))
            if is_blank and _is_known(line, offset, text) and not (line[0].isspace() or (is_list and is_item)):
                cut = offset
            if cut == offset:
                is_list = is_item
            is_blank = False
            found = _FENCE.match(line)
            fence = found[1] if found else ""
        offset += len(line) + 1
    return cut


def _is_known(line: str, offset: int, text: str) -> bool:
    """Tell whether enough of a line is there to say how it begins."""
    return len(line) >= _ENOUGH or offset + len(line) < len(text)


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip()
    return stripped.startswith(fence) and not stripped.strip(fence[0])
