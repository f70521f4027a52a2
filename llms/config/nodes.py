"""Hold a YAML document as a tree that remembers where everything stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from llms.config.problems import Path


class Refused(Enum):
    """The value of a scalar that was reported already."""

    REFUSED = "refused"


REFUSED = Refused.REFUSED
Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a mapping, and where its key stands."""

    node: Node
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """One value. Lines and columns count from 1, the end is exclusive."""

    value: Scalar | Refused | dict[str, Entry] | list[Node]
    text: str
    """A scalar as it was written, without its quotes."""
    line: int
    column: int
    end_line: int
    end_column: int
    size: int = 1
    """Itself and all values below it, each as often as it is named."""
    height: int = 0
    """Levels below it."""

    def scalars(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Yield every scalar below this node with its path."""
        if isinstance(self.value, dict):
            for key, entry in self.value.items():
                yield from entry.node.scalars((*path, key))
        elif isinstance(self.value, list):
            for position, item in enumerate(self.value):
                yield from item.scalars((*path, position))
        else:
            yield path, self
