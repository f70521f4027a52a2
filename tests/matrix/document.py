"""The table in docs/dialects.md, made of what the matrix holds the server to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.matrix.limits import table

DOCUMENT: Final = Path(__file__).parents[2] / "docs/dialects.md"
_BEGIN, _END = "<!-- matrix: begin -->", "<!-- matrix: end -->"


def written(text: str) -> str:
    """Return the page with its table as it has to be."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert end, "the page has lost the marks of its table"
    lines = "\n".join(table())
    return f"{before}{begin}\n{lines}\n{end}{after}"
