"""From any address: going on where it broke, what is no model, and what servers do wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from llms.protocol.errors import (
    Conflict,
    InternalError,
    InvalidRequest,
    LlmsError,
    NotFound,
    UpstreamProtocolError,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from tests.downloads.conftest import Folder
from tests.downloads.fake_hub import FakeHub, fake_hub, model, sha256

DATA = model(500_000)
CUT = 200_000


@pytest.fixture
def url(hub: FakeHub, folder: Folder) -> str:
    hub.files["m.gguf"] = DATA
    hub.kept = folder.kept("m")
    return f"{hub.url}/files/m.gguf"


async def cut_off(hub: FakeHub, folder: Folder, url: str) -> None:
    """Pull from a server that breaks off at 40 % and then before anything."""
    hub.cuts = [CUT, 0]
    with pytest.raises(UpstreamTruncated, match="connection broke"):
        await folder.pull(url)
    assert folder.names == ["m.gguf.part"]
    assert (folder.models / "m.gguf.part").stat().st_size == CUT
    hub.seen.clear()


async def test_a_file_comes_whole(hub: FakeHub, folder: Folder, url: str) -> None:
    pulled = await folder.pull(f"{url}?download=true", sha256=sha256(DATA))

    assert pulled.model.files == (folder.models / "m.gguf",)
    assert (folder.models / "m.gguf").read_bytes() == DATA
    assert hub.seen[0].headers["Accept-Encoding"] == "identity"
    assert folder.noted == []


async def test_a_pull_goes_on_where_the_last_one_ended(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    await folder.pull(url, sha256=sha256(DATA))

    [seen] = hub.seen
    assert seen.headers["Range"] == f"bytes={CUT}-"
    assert seen.headers["If-Range"] == hub.etag
    assert (seen.status, seen.sent) == (206, len(DATA) - CUT)
    assert (folder.models / "m.gguf").read_bytes() == DATA
    assert folder.names == ["m.gguf"]
    assert folder.noted == []


async def test_a_connection_that_breaks_is_made_anew_at_once(hub: FakeHub, folder: Folder, url: str) -> None:
    hub.cuts = [CUT, 100_000, 50_000]
    await folder.pull(url)

    assert [seen.headers.get("Range") for seen in hub.seen] == [
        None,
        "bytes=200000-",
        "bytes=300000-",
        "bytes=350000-",
    ]
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_it_is_not_made_anew_for_ever(hub: FakeHub, folder: Folder, url: str) -> None:
    hub.cuts = [10_000] * 20
    with pytest.raises(UpstreamTruncated):
        await folder.pull(url)

    assert len(hub.seen) == 5


async def test_a_file_that_changed_meanwhile_begins_again(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    other = model(500_000, seed=9)
    hub.files["m.gguf"], hub.etag, hub.kept = other, '"two"', None
    await folder.pull(url)

    assert [(seen.status, seen.sent) for seen in hub.seen] == [(200, len(other))]
    assert (folder.models / "m.gguf").read_bytes() == other


async def test_a_server_that_ignores_the_condition_is_caught_by_its_etag(
    hub: FakeHub, folder: Folder, url: str
) -> None:
    await cut_off(hub, folder, url)
    hub.kept = None
    hub.files["m.gguf"], hub.etag, hub.heeds_condition = model(500_000, seed=9), '"two"', False
    await folder.pull(url)

    assert [seen.status for seen in hub.seen] == [206, 200]
    assert (folder.models / "m.gguf").read_bytes() == model(500_000, seed=9)


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
async def test_without_a_strong_validator_a_pull_begins_again(
    hub: FakeHub, folder: Folder, url: str, etag: str
) -> None:
    hub.etag = etag
    hub.cuts = [CUT]
    await folder.pull(url)

    assert [seen.headers.get("Range") for seen in hub.seen] == [None, None]
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_a_server_without_ranges_begins_again(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    hub.ranges, hub.kept = False, None
    await folder.pull(url)

    assert [(seen.headers.get("Range"), seen.status) for seen in hub.seen] == [(f"bytes={CUT}-", 200)]
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_a_part_that_is_whole_is_only_named(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    (folder.models / "m.gguf.part").write_bytes(DATA)
    await folder.pull(url)

    assert [(seen.status, seen.sent) for seen in hub.seen] == [(416, 0)]
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_a_part_that_is_too_long_begins_again(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    (folder.models / "m.gguf.part").write_bytes(DATA + b"more")
    hub.kept = None
    await folder.pull(url)

    assert [seen.status for seen in hub.seen] == [416, 200]
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_a_part_of_another_address_is_not_gone_on_with(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    hub.files["other.gguf"] = model(400_000, seed=5)
    hub.kept = None
    await folder.pull(f"{hub.url}/files/other.gguf", name="m")

    assert hub.seen[0].headers.get("Range") is None
    assert (folder.models / "m.gguf").read_bytes() == model(400_000, seed=5)


async def test_a_part_of_unknown_origin_is_not_gone_on_with(hub: FakeHub, folder: Folder, url: str) -> None:
    folder.models.mkdir(parents=True)
    (folder.models / "m.gguf.part").write_bytes(b"GGUF from somewhere")
    hub.kept = None
    await folder.pull(url)

    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_chunked_answers_are_whole_by_their_own_end(hub: FakeHub, folder: Folder, url: str) -> None:
    hub.chunked = True
    hub.cuts = [CUT]
    await folder.pull(url)

    assert len(hub.seen) == 2
    assert (folder.models / "m.gguf").read_bytes() == DATA
    assert {progress.total for progress in folder.said if progress.status == "downloading"} == {None, len(DATA)}


async def test_a_file_of_unknown_length_needs_a_checksum(folder: Folder) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + DATA)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        place = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/m.gguf"
        with pytest.raises(UpstreamProtocolError, match="--sha256"):
            await folder.pull(place)
        assert folder.names == []
        await folder.pull(place, sha256=sha256(DATA))

    assert folder.names == ["m.gguf"]


@pytest.mark.parametrize(
    ("data", "content_type", "words"),
    [
        (b"<!DOCTYPE html><html>a page</html>", "text/html", "is a web page"),
        (b"\n <html>", "application/octet-stream", "is a web page"),
        (b"GGUF but a page", "text/html", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "text/plain", "is no GGUF file"),
        (b"PK\3\4 zip", "application/zip", "is no GGUF file"),
        (b"GG", "application/octet-stream", "is no GGUF file"),
        (b"", "application/octet-stream", "is no GGUF file"),
    ],
)
async def test_what_is_no_model_leaves_nothing(
    hub: FakeHub, folder: Folder, url: str, data: bytes, content_type: str, words: str
) -> None:
    hub.files["m.gguf"], hub.content_type = data, content_type
    with pytest.raises(UpstreamProtocolError, match=words):
        await folder.pull(url)

    assert folder.names == []
    assert folder.noted == []


async def test_a_page_in_between_does_not_cost_what_is_kept(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    hub.files["m.gguf"], hub.content_type, hub.ranges = b"<html>Please sign in</html>", "text/html", False
    with pytest.raises(UpstreamProtocolError, match="is a web page"):
        await folder.pull(url)
    assert folder.names == ["m.gguf.part"]
    hub.files["m.gguf"], hub.content_type, hub.ranges = DATA, "application/octet-stream", True
    await folder.pull(url)

    assert hub.seen[-1].sent == len(DATA) - CUT
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_an_etag_of_odd_bytes_counts_as_none(folder: Folder) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "\xff\xfe"\r\nContent-Length: %d\r\n\r\n' % len(DATA) + DATA)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await folder.pull(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/m.gguf")

    assert folder.names == ["m.gguf"]


async def test_more_than_the_hub_announced_is_refused(hub: FakeHub, folder: Folder) -> None:
    hub.repos["o/r"] = {"m.gguf": DATA}
    hub.longer, hub.chunked = b"more", True
    with pytest.raises(UpstreamProtocolError, match="sends more than the 500000 bytes"):
        await folder.pull("hf:o/r")
    assert folder.names == []
    hub.chunked = False
    with pytest.raises(UpstreamProtocolError, match="500004 bytes where the hub says 500000"):
        await folder.pull("hf:o/r")


async def test_a_wrong_checksum_is_refused_and_removed(folder: Folder, url: str) -> None:
    with pytest.raises(UpstreamProtocolError, match="it was removed"):
        await folder.pull(url, sha256="0" * 64)

    assert folder.names == []
    assert folder.noted == []


async def test_a_resumed_file_is_checked_as_a_whole(hub: FakeHub, folder: Folder, url: str) -> None:
    await cut_off(hub, folder, url)
    with (folder.models / "m.gguf.part").open("r+b") as part:
        part.seek(1000)
        part.write(b"spoiled")
    with pytest.raises(UpstreamProtocolError, match="it was removed"):
        await folder.pull(url, sha256=sha256(DATA))

    assert folder.names == []


async def test_redirects_are_followed_and_bounded(hub: FakeHub, folder: Folder, url: str) -> None:
    async with fake_hub() as other:
        other.location = url
        await folder.pull(f"{other.url}/files/m.gguf", name="first")
        other.seen.clear()
        other.location = f"{other.url}/files/again"
        with pytest.raises(UpstreamProtocolError, match="more than 10 times"):
            await folder.pull(f"{other.url}/files/m.gguf")

    assert len(other.seen) == 11
    assert folder.names == ["first.gguf"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://h/x", "http://", "http://[", "http://h:0/", ""])
async def test_redirects_lead_to_the_web_only(hub: FakeHub, folder: Folder, url: str, location: str) -> None:
    async with fake_hub() as other:
        other.location = location or "#"
        other.files["x"] = b""
        with pytest.raises((UpstreamProtocolError, UpstreamUnreachable)):
            await folder.pull(f"{other.url}/files/m.gguf")

    assert folder.names == []


async def test_passwords_and_queries_are_in_no_message(hub: FakeHub, folder: Folder, url: str) -> None:
    hub.file_status = 404
    address = url.replace("http://", "http://me:secret@") + "?signature=secret"
    with pytest.raises(NotFound) as refused:
        await folder.pull(address)

    assert "secret" not in refused.value.message
    assert hub.seen[0].headers["Authorization"].startswith("Basic ")


async def test_nobody_there(folder: Folder) -> None:
    with pytest.raises(UpstreamUnreachable, match="Connection refused"):
        await folder.pull("http://127.0.0.1:9/m.gguf")


async def test_a_full_disk_is_said_when_the_size_is_known(hub: FakeHub, folder: Folder, url: str) -> None:
    folder.free = 1000
    with pytest.raises(LlmsError, match=r"500\.0 kB are needed and 1\.0 kB are free") as refused:
        await folder.pull(url)

    assert refused.value.http_status == 507
    assert folder.names == []


async def test_a_folder_that_cannot_be_written_is_said(folder: Folder, url: str) -> None:
    folder.path.mkdir()
    folder.models.write_text("a file is in the way")
    with pytest.raises(InternalError, match="models"):
        await folder.pull(url)


async def test_links_are_not_written_through(hub: FakeHub, folder: Folder, url: str, tmp_path: Path) -> None:
    folder.models.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_bytes(b"GGUF precious")
    (folder.models / "m.gguf.part").symlink_to(outside)
    (folder.models / "m.gguf").symlink_to(outside)
    hub.kept = None
    await folder.pull(url)

    assert outside.read_bytes() == b"GGUF precious"
    assert not (folder.models / "m.gguf").is_symlink()
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_two_pulls_of_one_model_at_once(hub: FakeHub, folder: Folder, url: str) -> None:
    hub.stalls = [CUT]
    first = asyncio.ensure_future(folder.pull(url))
    async with asyncio.timeout(10):
        await hub.stalled.wait()
    with pytest.raises(Conflict, match=r"m is being pulled or removed by process \d+"):
        await folder.pull(url)
    with pytest.raises(Conflict):
        folder.puller.shelf.remove("m")
    first.cancel()
    await asyncio.wait([first])

    assert folder.names == ["m.gguf.part"]
    await folder.pull(url)
    assert hub.seen[-1].headers["Range"] == f"bytes={CUT}-"
    assert (folder.models / "m.gguf").read_bytes() == DATA


async def test_two_models_come_at_once(hub: FakeHub, folder: Folder, url: str) -> None:
    hub.kept = None
    hub.files["n.gguf"] = model(300_000, seed=4)
    await asyncio.gather(folder.pull(url), folder.pull(f"{hub.url}/files/n.gguf"))

    assert folder.names == ["m.gguf", "n.gguf"]


async def test_a_model_split_into_one_file_is_called_without_its_number(hub: FakeHub, folder: Folder) -> None:
    hub.files["one-00001-of-00001.gguf"] = DATA
    pulled = await folder.pull(f"{hub.url}/files/one-00001-of-00001.gguf")

    assert pulled.model.name == "one"
    assert folder.names == ["one.gguf"]


async def test_a_name_of_a_part_is_refused_before_anything_comes(hub: FakeHub, folder: Folder, url: str) -> None:
    with pytest.raises(InvalidRequest, match="no part"):
        await folder.pull(url, name="mine-00001-of-00002")

    assert (hub.seen, folder.names) == ([], [])
