"""What clients ask for in X-LLMS-Stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.opt_in import opted_in


@pytest.mark.parametrize(
    "values",
    [["progress"], ["resumable, progress, batch"], ["resumable,progress"], [" Progress "], ["batch", "progress"]],
)
def test_it_is_a_list_of_words(values: list[str]) -> None:
    assert "progress" in opted_in(values)


@pytest.mark.parametrize("values", [[], [""], [","], ["progressive"], ["resumable batch progress"], ["x;progress"]])
def test_other_words_mean_nothing(values: list[str]) -> None:
    assert opted_in(values) == frozenset()


@given(st.lists(st.text(max_size=20), max_size=3))
def test_no_header_is_too_odd(values: list[str]) -> None:
    assert opted_in(values) <= {"progress"}
