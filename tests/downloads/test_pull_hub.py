"""From the hub: listing, redirects, the token, checksums, split models, refusals."""

from __future__ import annotations

import asyncio
import sys
from unittest.mock import patch

import pytest

from llms.downloads.progress import Progress
from llms.protocol.errors import (
    Conflict,
    InvalidRequest,
    LlmsError,
    NotFound,
    NotSupported,
    PermissionDenied,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from tests.downloads.conftest import Folder
from tests.downloads.fake_hub import COMMIT, TOKEN, FakeHub, fake_hub, model, sha256

DATA = model()


@pytest.fixture
def repo(hub: FakeHub) -> FakeHub:
    hub.repos["o/r"] = {"README.md": b"words", "m-Q4_K_M.gguf": DATA, "m-Q8_0.gguf": model(seed=2)}
    return hub


async def test_a_pull_brings_the_usual_variant_and_checks_it(repo: FakeHub, folder: Folder) -> None:
    pulled = await folder.pull("hf:o/r")

    assert (pulled.was_here, pulled.model.name, pulled.model.size) == (False, "m-Q4_K_M", len(DATA))
    assert pulled.model.files[0].read_bytes() == DATA
    assert folder.names == ["m-Q4_K_M.gguf"]
    assert folder.noted == []
    assert [seen.path for seen in repo.seen] == [f"/o/r/resolve/{COMMIT}/m-Q4_K_M.gguf"]
    assert folder.said[0] == Progress("listing")
    assert Progress("downloading", len(DATA), len(DATA)) in folder.said
    assert folder.said[-1] == Progress("verifying", len(DATA), len(DATA))


async def test_a_quantization_and_a_name_may_be_given(repo: FakeHub, folder: Folder) -> None:
    pulled = await folder.pull("o/r:q8_0", name="mine.gguf", sha256=sha256(model(seed=2)).upper())

    assert pulled.model.name == "mine"
    assert folder.names == ["mine.gguf"]


async def test_what_is_there_is_not_fetched_again(repo: FakeHub, folder: Folder) -> None:
    await folder.pull("hf:o/r")
    again = await folder.pull("hf:o/r")

    assert again.was_here
    assert len(repo.seen) == 1


async def test_another_model_of_the_same_name_is_not_overwritten(repo: FakeHub, folder: Folder) -> None:
    await folder.pull("hf:o/r")
    for other in (model(seed=3), model(300_000)):
        repo.repos["o/r"]["m-Q4_K_M.gguf"] = other
        with pytest.raises(Conflict, match="llms rm m-Q4_K_M"):
            await folder.pull("hf:o/r")

    assert (folder.models / "m-Q4_K_M.gguf").read_bytes() == DATA


async def test_the_token_goes_to_the_hub_and_nowhere_else(repo: FakeHub, folder: Folder) -> None:
    folder.environ |= repo.environ(token=TOKEN)
    async with fake_hub() as cdn:
        repo.cdn = cdn.url
        cdn.files[sha256(DATA)] = DATA
        pulled = await folder.pull("hf:o/r")

    assert pulled.model.files[0].read_bytes() == DATA
    assert [headers["Authorization"] for headers in repo.listings] == [f"Bearer {TOKEN}"]
    assert [seen.headers["Authorization"] for seen in repo.seen] == [f"Bearer {TOKEN}"]
    assert len(cdn.seen) == 1
    assert TOKEN not in str(cdn.seen)
    assert TOKEN not in repr(folder.puller)


async def test_a_listing_that_is_redirected_takes_no_token_along(repo: FakeHub, folder: Folder) -> None:
    folder.environ |= repo.environ(token=TOKEN)
    async with fake_hub() as elsewhere:
        elsewhere.repos["o/r"] = {"m-Q4_K_M.gguf": DATA}
        repo.location = elsewhere.url
        await folder.pull("hf:o/r")

    assert len(elsewhere.listings) == 1
    assert TOKEN not in str(elsewhere.listings)


async def test_without_a_token_none_is_sent(repo: FakeHub, folder: Folder) -> None:
    await folder.pull("hf:o/r")

    assert "Authorization" not in repo.listings[0]
    assert "Authorization" not in repo.seen[0].headers


async def test_all_parts_of_a_split_model_come_under_one_name(hub: FakeHub, folder: Folder) -> None:
    parts = {f"Q4_K_M/big-Q4_K_M-0000{n}-of-00003.gguf": model(50_000, seed=n) for n in (1, 2, 3)}
    hub.repos["o/r"] = dict(parts)
    pulled = await folder.pull("hf:o/r", name="big")

    assert folder.names == [f"big-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    assert [path.read_bytes() for path in pulled.model.files] == list(parts.values())
    assert pulled.model.size == 150_000
    totals = {progress.total for progress in folder.said if progress.status == "downloading"}
    assert totals == {150_000}
    assert max(progress.completed for progress in folder.said) == 150_000
    assert (await folder.pull("hf:o/r", name="big")).was_here


async def test_a_split_model_that_breaks_off_leaves_only_parts(hub: FakeHub, folder: Folder) -> None:
    hub.repos["o/r"] = {f"big-0000{n}-of-00002.gguf": model(100_000, seed=n) for n in (1, 2)}
    hub.kept = folder.kept("big-00002-of-00002")
    hub.cuts = [100_000, 40_000, 0]
    with pytest.raises(LlmsError, match="connection broke"):
        await folder.pull("hf:o/r")
    assert folder.names == ["big-00001-of-00002.gguf.part", "big-00002-of-00002.gguf.part"]

    before = len(hub.seen)
    await folder.pull("hf:o/r")
    assert [(seen.headers.get("Range"), seen.sent) for seen in hub.seen[before:]] == [("bytes=40000-", 60_000)]
    assert folder.names == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]


async def test_a_wrong_checksum_is_refused_and_nothing_is_left(repo: FakeHub, folder: Folder) -> None:
    repo.spoiled = True
    with pytest.raises(UpstreamProtocolError, match="SHA-256") as refused:
        await folder.pull("hf:o/r")

    assert sha256(DATA) in refused.value.message
    assert folder.names == []
    assert folder.noted == []
    repo.spoiled = False
    await folder.pull("hf:o/r")
    assert folder.names == ["m-Q4_K_M.gguf"]


async def test_a_checksum_of_ones_own_must_be_the_hubs(repo: FakeHub, folder: Folder) -> None:
    for digest, words in (("0" * 64, sha256(DATA)), ("abc", "64 hexadecimal")):
        with pytest.raises(InvalidRequest, match=words):
            await folder.pull("hf:o/r", sha256=digest)

    assert not repo.seen


async def test_a_full_disk_is_said_before_anything_is_fetched(repo: FakeHub, folder: Folder) -> None:
    folder.free = 123_000
    with pytest.raises(LlmsError, match=r"200\.0 kB are needed and 123\.0 kB are free") as refused:
        await folder.pull("hf:o/r")

    assert (refused.value.http_status, refused.value.code) == (507, "insufficient_storage")
    assert not repo.seen
    assert folder.names == []


async def test_what_is_there_already_needs_no_room(repo: FakeHub, folder: Folder) -> None:
    repo.kept = folder.kept("m-Q4_K_M")
    repo.cuts = [150_000, 0]
    with pytest.raises(LlmsError):
        await folder.pull("hf:o/r")
    folder.free = 50_000
    await folder.pull("hf:o/r")

    assert folder.names == ["m-Q4_K_M.gguf"]


@pytest.mark.parametrize(
    "path", ["../../evil-Q4_K_M.gguf", "/etc/evil-Q4_K_M.gguf", "a\\b-Q4_K_M.gguf", "a/../b-Q4_K_M.gguf"]
)
async def test_paths_that_lead_elsewhere_are_refused(hub: FakeHub, folder: Folder, path: str) -> None:
    hub.repos["o/r"] = {path: DATA}
    with pytest.raises(InvalidRequest, match="refused"):
        await folder.pull("hf:o/r")

    assert not hub.seen
    assert not list(folder.path.parent.rglob("*.gguf*"))


async def test_unusual_file_names_ask_for_a_name(hub: FakeHub, folder: Folder) -> None:
    hub.repos["o/r"] = {"mein modell.gguf": DATA}
    with pytest.raises(InvalidRequest, match="--name"):
        await folder.pull("hf:o/r")
    await folder.pull("hf:o/r", name="mein-modell")

    assert folder.names == ["mein-modell.gguf"]


@pytest.mark.parametrize(
    ("status", "token", "kind", "words"),
    [
        (401, "", NotFound, "set HF_TOKEN"),
        (401, TOKEN, UpstreamAuthenticationFailed, "refused HF_TOKEN"),
        (403, TOKEN, PermissionDenied, "accept its terms"),
        (404, "", NotFound, "There is no o/r on http://127"),
        (429, "", UpstreamOverloaded, "patience"),
        (500, "", UpstreamError, "answered 500"),
        (503, "", UpstreamError, "answered 503"),
    ],
)
async def test_refusals_of_the_listing(
    repo: FakeHub, folder: Folder, status: int, token: str, kind: type[LlmsError], words: str
) -> None:
    repo.status, repo.retry_after = status, "7"
    folder.environ |= repo.environ(token=token)
    with pytest.raises(kind, match=words) as refused:
        await folder.pull("hf:o/r")

    assert not token or token not in refused.value.message
    assert refused.value.retry_after == (7 if status == 429 else None)
    assert not repo.seen


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UpstreamAuthenticationFailed),
        (403, PermissionDenied),
        (404, NotFound),
        (429, UpstreamOverloaded),
        (500, UpstreamError),
    ],
)
async def test_refusals_of_the_file(repo: FakeHub, folder: Folder, status: int, kind: type[LlmsError]) -> None:
    repo.file_status, repo.retry_after = status, "7"
    folder.environ |= repo.environ(token=TOKEN)
    with pytest.raises(kind, match=f"{status}") as refused:
        await folder.pull("hf:o/r")

    assert TOKEN not in refused.value.message
    assert refused.value.retry_after == (7 if status == 429 else None)
    assert folder.names == []
    assert folder.noted == []


@pytest.mark.parametrize(
    "listing",
    [
        [],
        "text",
        {},
        {"id": "o/r", "sha": COMMIT, "siblings": [{"size": 1}]},
        {"id": "o/r", "sha": COMMIT, "siblings": 3},
        {"id": "o/r", "sha": COMMIT, "siblings": [{"rfilename": "m.gguf", "size": "7"}]},
        {
            "id": "o/r",
            "sha": COMMIT,
            "siblings": [{"rfilename": "m.gguf", "lfs": {"size": 7, "sha256": "x", "pointerSize": 1}}],
        },
        {
            "id": "o/r",
            "sha": COMMIT,
            "siblings": [{"rfilename": "m.gguf", "lfs": {"size": 7, "sha256": 3, "pointerSize": 1}}],
        },
    ],
)
async def test_what_does_not_answer_like_the_hub(repo: FakeHub, folder: Folder, listing: object) -> None:
    repo.strange_listing = listing
    with pytest.raises((UpstreamProtocolError, NotFound)):
        await folder.pull("hf:o/r")


async def test_a_password_of_the_endpoint_is_in_no_message(folder: Folder) -> None:
    folder.environ["HF_ENDPOINT"] = "http://me:secret@127.0.0.1:9"
    with pytest.raises(UpstreamUnreachable) as refused:
        await folder.pull("hf:o/r")

    assert "secret" not in refused.value.message


async def test_no_hub_there(folder: Folder) -> None:
    folder.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
    with pytest.raises(UpstreamUnreachable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        await folder.pull("hf:o/r")


@pytest.mark.parametrize("endpoint", ["ftp://hub", "hub", "http://"])
async def test_an_endpoint_that_is_no_address(folder: Folder, endpoint: str) -> None:
    folder.environ["HF_ENDPOINT"] = endpoint
    with pytest.raises(InvalidRequest, match="no http:// or https:// address"):
        await folder.pull("hf:o/r")


@pytest.mark.parametrize("repo_id", ["o/a--b", "o/r.git", "o/a."])
async def test_names_that_the_hub_does_not_have(folder: Folder, repo_id: str) -> None:
    with pytest.raises(InvalidRequest, match="name of a repository"):
        await folder.pull(f"hf:{repo_id}")


async def test_without_the_library_one_line_tells_how_to_get_it(folder: Folder) -> None:
    with patch.dict(sys.modules, {"huggingface_hub": None}), pytest.raises(NotSupported, match=r"'llms\[local\]'"):
        await folder.pull("hf:o/r")


async def test_a_proxy_that_no_library_speaks_is_told_at_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    # Connections of earlier tests know no proxy.
    pytest.importorskip("huggingface_hub").close_session()
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder.environ["HF_ENDPOINT"] = "http://hub.invalid"
    with pytest.raises(NotSupported, match="library that is missing"):
        await asyncio.wait_for(folder.pull("hf:o/r"), 20)
