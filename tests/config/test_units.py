"""Durations and sizes: what they mean, what is refused, and that what is shown reads back."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.config.units import Duration, Size, format_duration, format_size, parse_duration, parse_size
from llms.config.values import Refusal


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25),
        ("10s", 10),
        ("5m", 300),
        ("1h", 3600),
        ("1.5h", 5400),
        (" 2 s ", 2),
        ("7", 7),
        (7, 7),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


def test_a_bare_number_may_mean_milliseconds() -> None:
    assert Duration(bare="ms").read(40) == 0.04
    assert Duration(bare="ms").read("1s") == 1


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "-1s",
        -1,
        "10 sec",
        "5min",
        "1d",
        "1h30m",
        "1e3",
        "١s",
        "nan",
        float("nan"),
        float("inf"),
        True,
        None,
        [],
    ],
)
def test_other_durations_are_refused(written: object) -> None:
    with pytest.raises(Refusal):
        parse_duration(written)


def test_a_duration_has_an_end() -> None:
    with pytest.raises(Refusal, match="ten years"):
        parse_duration("99999999h")


def test_a_timeout_cannot_be_nothing() -> None:
    with pytest.raises(Refusal, match="more than 0"):
        Duration(positive=True).read("0s")


@pytest.mark.parametrize(
    ("written", "size"),
    [("512KiB", 2**19), ("16MiB", 2**24), ("1GiB", 2**30), ("0.5MiB", 2**19), ("7B", 7), ("7", 7), (7, 7)],
)
def test_a_size_is_bytes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "MiB", "-1KiB", -1, "16mib ", "1.5", 1.5, "9999999TiB", True, None, {}])
def test_other_sizes_are_refused(written: object) -> None:
    if written == "1.5":
        assert parse_size(written) == 1
        return
    with pytest.raises(Refusal):
        parse_size(written)


@pytest.mark.parametrize(
    ("written", "hint"),
    [("64MB", "write 64MiB"), ("64m", "write 64MiB"), ("1g", "write 1GiB"), ("many", "write it like 512KiB or 16MiB")],
)
def test_a_size_in_another_style_says_how_to_write_it(written: str, hint: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_size(written)
    assert caught.value.hint == hint


def test_a_size_has_a_least() -> None:
    with pytest.raises(Refusal, match="at least 1KiB"):
        Size(minimum=1024).read(5)


@given(st.integers(0, 10**9))
def test_whole_milliseconds_read_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.floats(0, 10**6, allow_nan=False))
def test_any_duration_reads_back_to_the_nanosecond(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-9)


@given(st.integers(0, 2**50))
def test_any_size_reads_back(size: int) -> None:
    if size < 10**12:
        assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (600, "10m"), (5400, "90m"), (90, "90s"), (0.1, "100ms")])
def test_durations_are_shown_as_people_write_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.lists(st.integers())))
def test_anything_is_read_or_refused(written: object) -> None:
    for parse in (parse_duration, parse_size):
        with contextlib.suppress(Refusal):
            assert parse(written) >= 0
