"""Write the table into docs/dialects.md: `python -m tests.matrix`."""

from __future__ import annotations

from tests.matrix.document import DOCUMENT, written

DOCUMENT.write_text(written(DOCUMENT.read_text()))
