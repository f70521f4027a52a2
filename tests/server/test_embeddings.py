"""POST /v1/embeddings through a whole proxy: forms, plans, failures, clients that leave, what is accounted for."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from llms.protocol.chat import Usage
from llms.protocol.errors import NotSupported
from llms.testing.answers import Answer, Script
from llms.testing.fake_upstream import FakeUpstream, answer, body, cut, error, head, raw, stall, wait
from llms.testing.seen import Seen
from tests.proxy import RawClient, Reply, ask, one_upstream, serving
from tests.server.wire import BEARER, KEYS, assert_envelope, assert_refused
from tests.vectors import embedder, made, packed, unpacked, vector

PATHS = ["/v1/embeddings", "/embeddings"]
TWO = """
providers:
  first: {{type: openai_compatible, base_url: "{first.url}", retries: 0}}
  second: {{type: openai_compatible, base_url: "{second.url}", retries: 0}}
models:
  m: {{targets: [first/one, second/two]}}
"""


def asked(given: Any = "text", **fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": given, **fields}


async def embed(proxy: Any, sent: Any, *, path: str = PATHS[0], **headers: str) -> Reply:
    return await ask(proxy, sent, path=path, headers=headers)


def vectors_of(reply: Reply) -> list[Any]:
    found = json.loads(reply.body)
    assert found["object"] == "list"
    assert [item["index"] for item in found["data"]] == list(range(len(found["data"])))
    return [item["embedding"] for item in found["data"]]


@pytest.mark.parametrize("path", PATHS)
async def test_vectors_arrive_as_the_upstream_sent_them(path: str) -> None:
    text = b'{"object":"list","data":[{"index":0,"embedding":[1.50, -2],"x":1}],"model":"theirs","odd":[null]}'
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(answer(head(200, {"Content-Type": "application/json", "x-request-id": "up-1"}), raw(text)))
        reply = await embed(proxy, asked(), path=path)
        (seen,) = upstream.chats

    assert (reply.status, reply.body) == (200, text)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["server"] == "llms"
    assert (reply.headers["x-llms-provider"], reply.headers["x-llms-model"]) == ("up", "real-model")
    assert (reply.headers["x-llms-attempts"], reply.headers["x-llms-upstream-request-id"]) == ("1", "up-1")
    assert seen.json == {"model": "real-model", "input": "text"}


@pytest.mark.parametrize("theirs", ["float", "base64"])
@pytest.mark.parametrize("wanted", ["float", "base64", None])
async def test_the_form_is_the_one_that_was_asked_for(theirs: str, wanted: str | None) -> None:
    form = {"encoding_format": wanted} if wanted else {}
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.on(embedder(form=theirs))
        reply = await embed(proxy, asked(["a", "b"], **form))

    found = vectors_of(reply)
    assert [unpacked(one) if wanted == "base64" else one for one in found] == [vector("a"), vector("b")]


async def test_separators_in_what_nobody_knows_are_escaped() -> None:
    text = '{"object":"list","data":[{"index":0,"embedding":[1.5]}],"model":"m","note":"a\u2028b\u0085c"}'
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(body(json.loads(text)))
        reply = await embed(proxy, asked())

    assert b"a\\u2028b\\u0085c" in reply.body


async def test_a_large_answer_is_worked_on_in_turns() -> None:
    """While it is brought into the other form, others get their turn again and again."""
    numbers = [0.0123456789012345 * at for at in range(1024)]
    data = [{"object": "embedding", "index": index, "embedding": numbers} for index in range(1024)]
    many = json.dumps({"object": "list", "data": data, "model": "m"}).encode()
    longest = []
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.on(lambda seen: answer(head(200, {"Content-Type": "application/json"}), raw(many), framing="length"))
        # A busy machine may hold everything up at once, but not each time; who never lets go is seen each time.
        for answered in range(1, 4):
            turns: list[float] = []
            others = asyncio.create_task(_take(turns))
            reply = await embed(proxy, asked(["x"] * 1024, encoding_format="base64"))
            ended = (await proxy.all_ended(answered))[-1]
            others.cancel()
            longest.append(max(later - earlier for earlier, later in itertools.pairwise(turns)) / ended.duration)

    found = vectors_of(reply)
    assert len(found) == 1024
    assert found[0] == found[-1] == packed(numbers)
    assert min(longest) < 1 / 2, "everybody waited for the vectors"


async def _take(turns: list[float]) -> None:
    while True:
        turns.append(time.monotonic())
        await asyncio.sleep(0)


async def test_batches_of_the_row_are_one_request_for_everybody_else() -> None:
    texts = [f"text {number}" for number in range(10)]
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="max_inputs: 3")) as proxy:
        upstream.on(embedder())
        reply = await embed(proxy, asked(texts))
        [ended] = await proxy.all_ended(1)

        assert len(upstream.chats) == 4
    assert vectors_of(reply) == [vector(text) for text in texts]
    assert json.loads(reply.body)["usage"] == {"prompt_tokens": 10, "total_tokens": 10}
    assert ended.usage.prompt_tokens == 10
    assert ended.attempts == 1


async def test_a_request_is_accounted_for_by_its_route() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="models: [real-model]")) as proxy:
        await proxy.engine.services.refresh()
        upstream.on(embedder())
        await embed(proxy, asked(["a", "b"]), **{"x-request-id": "mine"})
        [ended] = await proxy.all_ended(1)
        page = proxy.engine.services.exposition()[0].decode()

    assert (ended.route, ended.request_id, ended.asked_model) == ("/v1/embeddings", "mine", "m")
    assert (ended.provider, ended.model, ended.stream) == ("up", "real-model", False)
    assert (ended.outcome, ended.status, ended.usage) == ("ok", 200, Usage(prompt_tokens=2, source="reported"))
    assert (ended.finish_reason, ended.upstream_request_id) == (None, "up-1")
    assert ended.ttft is not None
    assert 'llms_requests_total{model="real-model",provider="up",status="200"} 1.0' in page
    assert not proxy.engine.gateway.live


# -- plans ------------------------------------------------------------------------------------------------------------

BAD_ANSWERS: list[Script] = [
    error(500),
    error(429),
    error(401),
    error(404),
    body({"error": {"message": "overloaded", "code": 503}}),
    body("<html>sorry</html>"),
    body({"object": "list", "data": [], "model": "m"}),
    lambda seen: body({**made(seen), "data": made(seen)["data"] * 2}),
    body({"data": [{"index": 0, "embedding": [None]}]}),
    body({"data": [{"index": 0, "embedding": "?"}]}),
    answer(head(200, {"Content-Type": "application/json"}), raw(b'{"data":[{"embedding":[1'), cut()),
    answer(cut()),
]


@pytest.mark.parametrize("bad", BAD_ANSWERS, ids=range(len(BAD_ANSWERS)))
async def test_a_target_that_fails_is_followed_by_the_next(bad: Script) -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        first.script(bad)
        second.on(embedder())
        async with serving(TWO.format(first=first, second=second)) as proxy:
            reply = await embed(proxy, asked())
            [ended] = await proxy.all_ended(1)
            members = proxy.engine.gateway.fleet.members.values()

            assert vectors_of(reply) == [vector("text")]
            assert (reply.headers["x-llms-provider"], reply.headers["x-llms-attempts"]) == ("second", "2")
            assert (ended.fallbacks, ended.outcome) == (1, "ok")
            assert [member.running for member in members] == [0, 0]
            assert [member.slots.busy for member in members] == [0, 0]


async def test_a_failure_that_may_pass_is_tried_again() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.script(error(503), embedder())
        reply = await embed(proxy, asked())

        assert vectors_of(reply) == [vector("text")]
        assert len(upstream.chats) == 2


@pytest.mark.parametrize(
    ("bad", "status", "code"),
    [
        (error(400, {"error": {"message": "no", "param": "dimensions"}}), 400, "invalid_request"),
        (error(401), 502, "upstream_authentication_failed"),
        (error(429, headers={"Retry-After": "30"}), 429, "rate_limit_exceeded"),
        (error(500), 500, "upstream_error"),
        (error(400, {"error": {"message": "maximum context length is 8"}}), 400, "context_length_exceeded"),
        (body({"data": []}), 502, "upstream_protocol_error"),
        (body("<html>"), 502, "upstream_protocol_error"),
        (answer(head(200, {"Content-Type": "application/json"}), raw(b'{"data":['), cut()), 502, "upstream_truncated"),
        (answer(stall()), 504, "upstream_timeout"),
    ],
    ids=range(9),
)
async def test_the_last_failure_is_told(bad: Answer, status: int, code: str) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(bad)
        async with serving(one_upstream(upstream, row="retries: 0, timeouts: {answer: 200ms}")) as proxy:
            reply = await embed(proxy, asked())
            [ended] = await proxy.all_ended(1)

    assert reply.status == status
    assert "sk-planted" not in reply.body.decode()
    assert_envelope(reply, code=code)
    assert (ended.outcome in ("error", "truncated"), ended.error_code) == (True, code)
    if status == 429:
        assert reply.headers["retry-after"] == "30"


class Mute:
    """A provider that chats and nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def models(self) -> list[Any]:
        return []


class Unable(Mute):
    """A provider that makes embeddings, but not with the model that it is asked for."""

    async def embed(self, request: Any) -> Any:
        raise NotSupported(f"{self.name}: no vectors")


def muted(proxy: Any, *names: str) -> None:
    """Take the embeddings away from some providers of a running proxy."""
    for name in names:
        proxy.engine.gateway.fleet.members[name].provider = Mute(name)


async def test_a_target_without_embeddings_is_left_out() -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        second.on(embedder())
        async with serving(TWO.format(first=first, second=second)) as proxy:
            muted(proxy, "first")
            reply = await embed(proxy, asked())

            assert vectors_of(reply) == [vector("text")]
            assert (reply.headers["x-llms-provider"], reply.headers["x-llms-attempts"]) == ("second", "1")
            assert not first.chats


async def test_a_target_that_finds_out_that_it_has_none_is_passed_over() -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        second.on(embedder())
        async with serving(TWO.format(first=first, second=second)) as proxy:
            members: Any = proxy.engine.gateway.fleet.members
            members["first"].provider = Unable("first")
            reply = await embed(proxy, asked())
            [ended] = await proxy.all_ended(1)
            members["second"].provider = Unable("second")
            nobody = await embed(proxy, asked())

    assert (reply.status, reply.headers["x-llms-provider"]) == (200, "second")
    assert (ended.fallbacks, ended.outcome) == (1, "ok")
    assert nobody.status == 501
    assert "second: no vectors" in assert_envelope(nobody, code="not_supported")["message"]


async def test_where_no_target_has_embeddings_those_that_have_are_named() -> None:
    async with FakeUpstream() as first, FakeUpstream() as second:
        second.models(["plain-model", "text-embedding-9"])
        async with serving(TWO.format(first=first, second=second)) as proxy:
            muted(proxy, "first")
            await proxy.engine.services.refresh()
            reply = await embed(proxy, {**asked(), "model": "first/one"})
            [ended] = await proxy.all_ended(1)

    assert reply.status == 501
    found = assert_envelope(reply, code="not_supported")
    assert found["param"] == "model"
    assert "first/one" in found["message"]
    assert "second/text-embedding-9" in found["message"]
    assert "plain-model" not in found["message"]
    assert (ended.attempts, ended.error_code) == (0, "not_supported")


async def test_where_nobody_has_embeddings_that_is_told() -> None:
    async with serving("providers:\n  echo: {type: echo}") as proxy:
        muted(proxy, "echo")
        reply = await embed(proxy, {**asked(), "model": "echo/echo"})

    assert reply.status == 501
    assert "No provider" in assert_envelope(reply, code="not_supported")["message"]


async def test_a_provider_out_of_service_says_so() -> None:
    async with serving("providers:\n  broken: {type: sdk, client: 'surely_not_installed:Client'}") as proxy:
        reply = await embed(proxy, {**asked(), "model": "broken/x"})

    assert reply.status == 502
    assert "not installed" in assert_envelope(reply)["message"]


async def test_vectors_of_a_provider_in_this_process_have_the_dimensions_asked_for() -> None:
    sent = {"model": "echo/echo", "input": "text"}
    async with serving("providers:\n  echo: {type: echo}") as proxy:
        plain = await embed(proxy, sent)
        short = await embed(
            proxy, {"model": "echo/echo", "input": "text", "dimensions": 2, "encoding_format": "base64"}
        )
        long = await embed(proxy, {"model": "echo/echo", "input": "text", "dimensions": 10**9})

    assert len(vectors_of(plain)[0]) == 16
    assert len(unpacked(vectors_of(short)[0])) == 2
    assert assert_refused(long, 400)["param"] == "dimensions"


# -- who may, and who leaves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"model": "m"}, "input"),
        ({"input": "x"}, "model"),
        ({**asked([]), "model": "m"}, "input"),
        (asked(["a", ""]), "input[1]"),
        (asked(encoding_format="hex"), "encoding_format"),
        ([], None),
        (b"{", None),
    ],
)
async def test_a_wrong_body_is_refused_before_anybody_is_asked(sent: Any, param: str | None) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        assert assert_refused(await embed(proxy, sent), 400, code="invalid_request")["param"] == param
        assert not upstream.chats


async def test_a_key_is_needed_where_keys_are_required() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
        upstream.on(embedder())
        assert_refused(await embed(proxy, asked()), 401)
        reply = await embed(proxy, asked(), Authorization=BEARER)
        [ended] = await proxy.all_ended(1)

    assert reply.status == 200
    assert ended.key_id


async def test_unknown_models_are_refused() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        assert_refused(await embed(proxy, {**asked(), "model": "nobody"}), 404, code="model_not_found")


async def test_a_loop_is_refused() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        upstream.on(embedder())
        assert (await embed(proxy, asked(), **{"x-llms-hops": "4"})).status == 508
        assert (await embed(proxy, asked(), **{"x-llms-hops": "2"})).status == 200
        assert upstream.chats[0].headers["x-llms-hops"] == "3"


@pytest.mark.parametrize(
    "leave", [RawClient.close, RawClient.reset, RawClient.half_close], ids=lambda way: way.__name__
)
@pytest.mark.parametrize("row", ["", "max_inputs: 1"], ids=["one", "batches"])
async def test_a_client_that_leaves_stops_the_upstream(row: str, leave: Callable[[RawClient], None]) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(stall()))
        async with serving(one_upstream(upstream, row=row)) as proxy:
            client = await RawClient.to(proxy)
            await client.send(asked(["a", "b"]), path=PATHS[0])
            await upstream.arrived(2 if row else 1)
            left = time.monotonic()
            leave(client)
            for seen in upstream.chats:
                assert await seen.gone() - left < 1.0
            [ended] = await proxy.all_ended(1)
            member = proxy.engine.gateway.fleet.members["up"]

            assert (ended.outcome, ended.window) == ("cancelled", "whole_answer")
            assert (member.running, member.slots.busy) == (0, 0)
            assert not proxy.engine.gateway.live
            client.close()


async def test_who_waits_for_a_slot_is_served_in_turn() -> None:
    go = asyncio.Event()

    def answering(seen: Seen) -> Answer:
        return Answer((wait(go), *body(made(seen)).steps), "length")

    async with FakeUpstream() as upstream:
        upstream.on(answering)
        row = "limits: {concurrency: 1, queue: 1}"
        async with serving(one_upstream(upstream, row=row)) as proxy, asyncio.timeout(10), asyncio.TaskGroup() as group:
            first = group.create_task(embed(proxy, asked("a")))
            await upstream.arrived()
            second = group.create_task(embed(proxy, asked("b")))
            while not proxy.engine.gateway.fleet.members["up"].slots.waiting:
                await asyncio.sleep(0.005)
            third = await embed(proxy, asked("c"))
            go.set()

    assert (first.result().status, second.result().status) == (200, 200)
    assert_refused(third, 429, code="queue_full")


async def test_a_server_that_stops_tells_whoever_waits() -> None:
    async with FakeUpstream() as upstream:
        upstream.script(answer(stall()))
        async with serving(one_upstream(upstream)) as proxy, asyncio.TaskGroup() as group:
            asking = group.create_task(embed(proxy, asked()))
            await upstream.arrived()
            proxy.engine.interrupt()

    assert asking.result().status == 503
    assert_envelope(asking.result(), code="server_stopping")
