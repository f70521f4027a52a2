"""Which addresses strangers may have connected to, and that it is the connection that is looked at."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.downloads.egress import is_public
from llms.protocol.errors import InvalidRequest, PermissionDenied, UpstreamUnreachable
from tests.downloads.conftest import Folder
from tests.downloads.fake_hub import FakeHub, fake_hub, model

MISSPELT = ("127.1", "2130706433")
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


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433"]
)
async def test_no_spelling_of_this_machine_is_connected_to(folder: Folder, host: str) -> None:
    async with fake_hub() as inside:
        inside.files["m.gguf"] = model()
        port = inside.url.rpartition(":")[2]
        with pytest.raises(PermissionDenied if host not in MISSPELT else InvalidRequest):
            await folder.pull(f"http://{host}:{port}/files/m.gguf", is_guarded=True)

    assert not inside.seen
    assert not folder.names
    assert not folder.noted


async def test_the_hub_itself_may_be_inside_but_leads_nowhere_else_there(folder: Folder, hub: FakeHub) -> None:
    async with fake_hub() as inside:
        data = model()
        hub.repos["o/r"] = {"m-Q4_K_M.gguf": data}
        hub.cdn = inside.url
        with pytest.raises(PermissionDenied, match="leads to this machine or its network"):
            await folder.pull("hf:o/r", is_guarded=True)
        assert not inside.seen
        hub.cdn = ""
        await folder.pull("hf:o/r", is_guarded=True)

    assert (folder.models / "m-Q4_K_M.gguf").read_bytes() == data


async def test_unguarded_anything_goes(folder: Folder) -> None:
    async with fake_hub() as inside:
        inside.files["m.gguf"] = model()
        await folder.pull(f"{inside.url}/files/m.gguf")

    assert folder.names == ["m.gguf"]


async def test_no_proxy_is_asked_by_those_who_are_guarded(folder: Folder) -> None:
    async with fake_hub() as proxy:
        proxy.files["m.gguf"] = model()
        folder.environ |= {"http_proxy": proxy.url}
        with patch("llms.downloads.egress.is_public", lambda address: True), pytest.raises(UpstreamUnreachable):
            await folder.pull("http://127.0.0.1:9/files/m.gguf", is_guarded=True)
        assert not proxy.seen
        await folder.pull("http://127.0.0.1:9/files/m.gguf")

    assert folder.names == ["m.gguf"]
    assert proxy.seen
