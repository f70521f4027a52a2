"""Which addresses belong to the internet at large."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.egress import is_public

INSIDE = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2001:0:7f00:1::1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2130706433",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "localhost",
    "",
]


@pytest.mark.parametrize("address", INSIDE)
def test_this_machine_and_its_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_the_internet_is(address: str) -> None:
    assert is_public(address)


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    assert is_public(text) in (True, False)
