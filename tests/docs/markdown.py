"""Read the documents: their code blocks, tables, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])

_FENCE = re.compile(r"(?:<!-- test: (?P<test>\w+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_SPAN = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^(#+) (.*)$", re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `test` is the word of a comment `<!-- test: word -->` in the line before it."""

    page: str
    language: str
    text: str
    test: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, with the heading that it stands under and the head of its table."""

    section: str
    head: tuple[str, ...]
    cells: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return the code in the first cell."""
        return codes(self.cells[0])[0]


def text_of(page: Path | str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path | str) -> list[Block]:
    name = str((ROOT / page).relative_to(ROOT))
    return [
        Block(name, found["language"], found["text"], found["test"] or "") for found in _FENCE.finditer(text_of(page))
    ]


def prose(page: Path | str) -> str:
    """Return a page without its code blocks."""
    return _FENCE.sub("", text_of(page))


def codes(text: str) -> list[str]:
    """Return what stands between backticks, in order."""
    return _SPAN.findall(text)


def rows(page: Path | str, *, first: str) -> list[Row]:
    """Return the rows of all tables whose first column is headed `first`."""
    found: list[Row] = []
    section = ""
    head: tuple[str, ...] = ()
    for line in prose(page).splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        cells = tuple(cell.strip() for cell in line.strip("|").split("|")) if line.startswith("|") else ()
        if not cells:
            head = ()
        elif not head:
            head = cells
        elif head[0] == first and not set(line) <= set("|- "):
            found.append(Row(section, head, cells))
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors that headings get where the repository is shown."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in _HEADING.findall(prose(page))}


def links(page: Path) -> Iterator[str]:
    yield from _LINK.findall(_SPAN.sub("", prose(page)))
