"""docs/dialects.md says what the matrix is held to."""

from __future__ import annotations

from tests.matrix.document import DOCUMENT, written
from tests.matrix.limits import TARGETS
from tests.matrix.targets import ALL


def test_the_page_holds_the_table() -> None:
    text = DOCUMENT.read_text()
    assert text == written(text), "write it again with: python -m tests.matrix"


def test_every_provider_is_in_it() -> None:
    assert tuple(target.name for target in ALL) == TARGETS
