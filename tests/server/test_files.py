"""Files of several callers: each sees, reads and deletes those that its own key gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llms.testing.answers import body
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Proxy, Reply, ask, one_upstream, serving
from tests.server.forms import FORM, field, form
from tests.server.wire import BEARER, KEY, KEYS, OTHER_KEY, assert_envelope, read

SENT = form(field("purpose", "batch"), field("file", b"{}\n", filename="a"))
OTHER = f"Bearer {OTHER_KEY}"
LISTED = {"object": "list", "data": [{"id": "file-mine"}, {"id": "file-theirs"}, {"no": "id"}], "has_more": False}


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {"LLMS_DATA_DIR": str(tmp_path)}


async def give(proxy: Proxy, upstream: FakeUpstream, name: str, authorization: str) -> Reply:
    upstream.script(body({"id": name, "object": "file"}))
    return await ask(proxy, SENT, path="/v1/files", headers={"Content-Type": FORM, "Authorization": authorization})


async def two_files(proxy: Proxy, upstream: FakeUpstream) -> None:
    for name, authorization in (("file-mine", BEARER), ("file-theirs", OTHER)):
        reply = await give(proxy, upstream, name, authorization)
        assert (reply.status, json.loads(reply.body)) == (200, {"id": name, "object": "file"})


def asked(upstream: FakeUpstream) -> list[tuple[str, str]]:
    return [(one.method, one.path) for one in upstream.requests if "file-" in one.path]


def ids(reply: Reply) -> list[Any]:
    return [row["id"] for row in json.loads(reply.body)["data"]]


class TestSeveralKeys:
    async def test_a_list_holds_what_its_reader_gave(self, environ: Mapping[str, str]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS), environ=environ) as proxy:
            await two_files(proxy, upstream)
            upstream.script(body(LISTED), body(LISTED))
            mine = await read(proxy, "/v1/files", authorization=BEARER)
            theirs = await read(proxy, "/files", authorization=OTHER)

        assert (ids(mine), ids(theirs)) == (["file-mine"], ["file-theirs"])
        assert json.loads(mine.body)["has_more"] is False
        assert mine.headers["content-security-policy"].startswith("sandbox")

    async def test_a_file_of_another_key_is_not_there(self, environ: Mapping[str, str]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS), environ=environ) as proxy:
            await two_files(proxy, upstream)
            refused = [
                await read(proxy, "/v1/files/file-mine", authorization=OTHER),
                await read(proxy, "/v1/files/file-mine/content", authorization=OTHER),
                await read(proxy, "/files/file-mine", method="DELETE", authorization=OTHER),
            ]
            assert asked(upstream) == []
            upstream.script(body({"id": "file-mine"}), body({"id": "file-mine", "deleted": True}))
            described = await read(proxy, "/v1/files/file-mine", authorization=BEARER)
            deleted = await read(proxy, "/v1/files/file-mine", method="DELETE", authorization=BEARER)
            gone = await read(proxy, "/v1/files/file-mine", authorization=BEARER)

        assert [reply.status for reply in refused] == [404, 404, 404]
        assert "file-mine" in assert_envelope(refused[0], code="not_found")["message"]
        assert (described.status, deleted.status, gone.status) == (200, 200, 404)

    async def test_owners_are_known_after_a_restart(self, environ: Mapping[str, str]) -> None:
        async with FakeUpstream() as upstream:
            configuration = one_upstream(upstream, more=KEYS)
            async with serving(configuration, environ=environ) as proxy:
                await two_files(proxy, upstream)
            async with serving(configuration, environ=environ) as proxy:
                upstream.script(body(LISTED))
                assert ids(await read(proxy, "/v1/files", authorization=BEARER)) == ["file-mine"]

    async def test_without_a_record_nothing_is_given_out(self, environ: Mapping[str, str]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS), environ=environ) as proxy:
            (proxy.engine.services.data_dir / "files.sqlite3").mkdir(parents=True)
            reply = await read(proxy, "/v1/files/file-mine", authorization=BEARER)
            assert asked(upstream) == []

        assert reply.status == 500
        assert "log" in assert_envelope(reply, code="internal_error")["message"]

    async def test_a_list_that_is_none_is_a_failure_of_the_upstream(self, environ: Mapping[str, str]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS), environ=environ) as proxy:
            upstream.script(body({"data": "file-theirs"}))
            reply = await read(proxy, "/v1/files", authorization=BEARER)

        assert reply.status == 502
        assert b"file-theirs" not in reply.body


async def test_one_key_sees_all_that_its_provider_keeps(environ: Mapping[str, str]) -> None:
    one_key = f'keys: {{static: ["{KEY}"]}}'
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=one_key), environ=environ) as proxy:
        upstream.script(body(LISTED), body({"id": "file-theirs"}))
        listed = await read(proxy, "/v1/files", authorization=BEARER)
        described = await read(proxy, "/v1/files/file-theirs", authorization=BEARER)

    assert json.loads(listed.body) == LISTED
    assert described.status == 200
