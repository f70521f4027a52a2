"""Pulls for strangers connect to public addresses only, and it is the connection that is looked at."""

from __future__ import annotations

import socket
from unittest.mock import patch

import pytest

from llms.protocol.errors import InvalidRequest, PermissionDenied, UpstreamUnreachable
from tests.downloads.conftest import Folder
from tests.downloads.fake_hub import FakeHub, fake_hub, model

MISSPELT = ("127.1", "2130706433")


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
        with (
            patch("llms.downloads.web.public_socket", lambda address: socket.socket(*address[:3])),
            pytest.raises(UpstreamUnreachable),
        ):
            await folder.pull("http://127.0.0.1:9/files/m.gguf", is_guarded=True)
        assert not proxy.seen
        await folder.pull("http://127.0.0.1:9/files/m.gguf")

    assert folder.names == ["m.gguf"]
    assert proxy.seen
