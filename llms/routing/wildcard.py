"""A name of `models:` with a star: what it matches and what goes where the star of a target is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import final

from llms.routing.routes import Named, Target

STAR = "*"


@final
@dataclass(frozen=True, slots=True)
class Wildcard:
    """One pattern with one star and its row."""

    pattern: str
    prefix: str
    suffix: str
    row: Named

    def matches(self, name: str) -> bool:
        """Tell whether the star can stand for at least nothing between prefix and suffix."""
        fits = len(name) >= len(self.prefix) + len(self.suffix)
        return fits and name.startswith(self.prefix) and name.endswith(self.suffix)

    def filled(self, name: str) -> Named:
        """Return the row with the client's text in place of the stars of its targets."""
        overflow = self.row.overflow
        return replace(
            self.row,
            targets=tuple(self._fill(target, name) for target in self.row.targets),
            overflow=self._fill(overflow, name) if overflow else None,
        )

    def _fill(self, target: Target, name: str) -> Target:
        """Fill in the client's whole name for a star that stands alone, else what the pattern's star stood for.

        So `gpt-4o*` -> `openai/*` keeps the name, and `gpt-4o*` -> `openrouter/openai/gpt-4o*` only its end. A
        pattern that ends its prefix in a slash (`cloud/*` -> `openai/*`) is a prefix of our own and is taken off.
        """
        if STAR not in target.model:
            return target
        whole = target.model == STAR and not self.prefix.endswith("/")
        text = name if whole else name[len(self.prefix) : len(name) - len(self.suffix)]
        return Target(target.provider, target.model.replace(STAR, text), target.weight)


def wildcards(names: Iterable[tuple[str, Named]]) -> list[Wildcard]:
    """Return the patterns among the names of `models:`, the one with the longest literal prefix first."""
    found = []
    for pattern, row in names:
        prefix, star, suffix = pattern.partition(STAR)
        if star:
            found.append(Wildcard(pattern, prefix, suffix, row))
    return sorted(found, key=lambda card: (-len(card.prefix), -len(card.suffix), card.pattern))
