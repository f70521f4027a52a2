"""Find the ids that a mistyped one may have meant, among thousands, within milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest
from typing import Final

_LIKENESS: Final = 0.6
_COMPARED: Final = 16
"""Ids that are compared exactly: the costly part."""
_LONGEST: Final = 100
"""Characters of an id; a longer one is nobody's typing mistake."""


class Nearest:
    """All ids that can be asked for, ready to be searched."""

    __slots__ = ("_ids",)

    def __init__(self, candidates: Mapping[str, str]) -> None:
        """Take each id a client may mean, with the id to tell it."""
        self._ids = [(_pairs(meant), meant.lower(), shown) for meant, shown in candidates.items()]

    def find(self, name: str, *, most: int) -> list[str]:
        """Return at most `most` ids that look like `name`, the likest first."""
        if len(name) > _LONGEST:
            return []
        from difflib import SequenceMatcher

        pairs = _pairs(name)
        close = nlargest(_COMPARED, self._ids, key=lambda one: len(pairs & one[0]) / (len(pairs) + len(one[0]) or 1))
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(name.lower())
        likeness: dict[str, float] = {}
        for _, meant, shown in close:
            matcher.set_seq1(meant)
            likeness[shown] = max(matcher.ratio(), likeness.get(shown, 0.0))
        ranked = sorted(likeness, key=lambda shown: -likeness[shown])
        return [shown for shown in ranked if likeness[shown] >= _LIKENESS][:most]


def _pairs(text: str) -> frozenset[str]:
    """Return every two neighbouring characters: ids that look alike share many."""
    text = text.lower()
    return frozenset(map(str.__add__, text, text[1:]))
