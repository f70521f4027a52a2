"""Addresses as people write them."""

from __future__ import annotations

import pytest

from llms.protocol.address import api_url, is_local


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        (" localhost:9000 ", "http://localhost:9000/v1"),
        ("https://example.com/openai/v1", "https://example.com/openai/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_addresses_as_people_write_them(written: str, meant: str) -> None:
    assert api_url(written) == meant


@pytest.mark.parametrize("written", ["", "ftp://x", "http://", "http://x:0", "http://x:port", "http://x:99999", "a\nb"])
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        api_url(written)


def test_what_is_on_this_machine() -> None:
    assert all(map(is_local, ("http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:8000/v1")))
    assert not any(map(is_local, ("http://192.0.2.1/v1", "http://localhost.example.com/v1")))
