"""Unquoted scalars: what is plain to every YAML reader is read, what they disagree about is refused."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llms.config.scalars import Surprise, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-7", -7),
        ("8192", 8192),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("gpt-4o", "gpt-4o"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("localhost:8000", "localhost:8000"),
        ("10s", "10s"),
        ("16MiB", "16MiB"),
        ("~/models", "~/models"),
        ("none", "none"),
        ("-", "-"),
        ("3.5-turbo", "3.5-turbo"),
        ("2024-08", "2024-08"),
    ],
)
def test_what_is_plain_is_read(text: str, value: object) -> None:
    read = resolve(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "No", "ON", "off", "12:30", "1:2:3", "010", "0x1F", "0b1", "0o17", "1_000", "0._", "2026-01-01"),
        *("2026-1-1", "2026-01-01T10:00:00Z", ".inf", "-.INF", ".nan", "9" * 19, "1e999"),
    ],
)
def test_what_readers_disagree_about_is_refused(text: str) -> None:
    surprise = resolve(text)
    assert isinstance(surprise, Surprise)
    assert surprise.hint


@given(st.text(alphabet="0123456789-+.:_eExobTZ yn", max_size=12))
def test_whatever_is_read_as_text_is_text_to_a_yaml_1_1_reader_too(text: str) -> None:
    if resolve(text.strip()) == text.strip() and text.strip():
        try:
            seen = yaml.safe_load(f"[{text.strip()}]")
        except (yaml.YAMLError, ValueError):
            return
        assert seen is None or all(isinstance(item, (str, dict, list)) for item in seen), text
