"""Endpoints that speak the client's dialect: requests go as they stand, answers come back byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llms.testing import messages
from llms.testing.fake_upstream import FakeUpstream, body, error
from tests.matrix import native
from tests.matrix.client import Client, events_of
from tests.matrix.clients import CLIENTS
from tests.matrix.facts import CASES, ERROR, Case
from tests.matrix.limits import limit_of
from tests.matrix.test_matrix import named
from tests.matrix.upstreams import BROKEN, SLOW_DOWN
from tests.proxy import Proxy, Reply, ask, serving

ROW = 'type: openai_compatible, base_url: "{url}", dialects: [responses, messages, completions], retries: 0'
SPEAKING = [client for client in CLIENTS if client.name in native.DIALECTS]


@pytest.mark.parametrize("client", SPEAKING, ids=named)
async def test_every_cell(client: Client, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    failures = []
    async with FakeUpstream() as upstream:
        row = ROW.format(url=upstream.url)
        async with serving(f"providers: {{up: {{{row}}}}}", environ={"LLMS_DATA_DIR": str(tmp_path)}) as proxy:
            for case in CASES:
                for stream in (True, False):
                    outcome = "ok"
                    try:
                        outcome = await _cell(client, case, proxy, upstream, stream=stream)
                    except Exception as problem:
                        outcome = "FAIL"
                        failures.append(f"{case.name}, stream={stream}: {type(problem).__name__}: {problem}")
                    record_property("matrix", ["(passed on)", client.name, case.name, outcome])
    assert not failures, "\n".join(failures)


async def _cell(client: Client, case: Case, proxy: Proxy, upstream: FakeUpstream, *, stream: bool) -> str:
    asked = {**client.body(case, "up/fake-model"), **({"stream": True} if stream else {}), "x_unknown": [1, None]}
    if limit := limit_of(client.name, "", case.name):
        reply = await ask(proxy, asked, path=client.path)
        assert (reply.status, limit.words in reply.error["message"]) == (limit.status, True)
        return str(limit.status)
    if case is ERROR:
        await _fails(client, asked, proxy, upstream, stream=stream)
        return "ok"
    events, whole = native.told(client.name, case.answer, case.signature)
    upstream.script(messages.stream(events) if stream else body(whole))
    reply = await ask(proxy, asked, path=client.path)
    seen = upstream.chats[-1]
    assert seen.path == client.path
    assert seen.json == {**asked, "model": "fake-model"}
    assert reply.status == 200
    assert reply.body == (events if stream else json.dumps(whole, ensure_ascii=False).encode())
    return "ok"


async def _fails(client: Client, asked: dict[str, Any], proxy: Proxy, upstream: FakeUpstream, *, stream: bool) -> None:
    upstream.script(error(429, message=SLOW_DOWN, headers={"Retry-After": "7"}))
    reply: Reply = await ask(proxy, asked, path=client.path)
    failure = client.failure(reply.status, json.loads(reply.body))
    assert (failure.status, SLOW_DOWN in failure.message, reply.headers["retry-after"]) == (429, True, "7")
    if stream:
        upstream.script(native.breaks(client.name, ERROR.answer.text))
        reply = await ask(proxy, asked, path=client.path)
        *_, (_, last) = events_of(reply.body)
        failure = client.failure(200, last)
        assert BROKEN in failure.message
