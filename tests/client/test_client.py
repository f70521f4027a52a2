"""What is asked once and answered whole: chats, models, embeddings; and the errors in the client's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms.client import (
    AsyncClient,
    AuthenticationFailed,
    ClientError,
    NotFound,
    Patience,
    RateLimited,
    Refused,
    ServerFailed,
    StreamingChunk,
    StreamLost,
    Unreachable,
)
from llms.client.stream import ChatStream
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    body,
    cut,
    error,
    head,
    raw,
    redirect,
    reply,
    stall,
    text_stream,
    whole,
    whole_tools,
)
from tests.client.conftest import Pauses
from tests.proxy import Proxy, one_upstream, serving
from tests.vectors import embedder, vector


@pytest.fixture
async def direct(upstream: FakeUpstream, patience: Patience) -> Any:
    """A client of any server that speaks OpenAI's chat completions."""
    async with AsyncClient(upstream.url, api_key="sk-1", model="m", patience=patience) as opened:
        yield opened


async def drained(stream: ChatStream) -> list[StreamingChunk]:
    return [piece async for piece in stream]


async def test_a_whole_answer(client: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(whole("Grüße"))
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "hello"}]
    found = await client.chat(messages, max_tokens=3)
    assert (found.text, str(found), found.finish_reason) == ("Grüße", "Grüße", "stop")
    assert found.usage is not None
    assert found.usage.completion_tokens == 5
    assert found.raw["choices"][0]["message"]["content"] == "Grüße"
    sent = upstream.chats[0].json
    assert (sent["messages"], sent["max_tokens"], sent["model"]) == (messages, 3, "real-model")
    assert await client.generate("hello") == "Grüße"


async def test_calls_of_tools(direct: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(whole_tools())
    found = await direct.chat("hello")
    assert (found.text, found.finish_reason) == ("", "tool_calls")
    assert found.tool_calls[0]["function"]["name"] == "get_weather"


async def test_the_key_is_sent_and_no_other_header_lost(upstream: FakeUpstream) -> None:
    upstream.script(whole("hi"))
    async with AsyncClient(upstream.url, api_key="sk-1", headers={"X-Team": "blue"}, model="m") as client:
        await client.chat("hello")
    assert upstream.chats[0].headers["authorization"] == "Bearer sk-1"
    assert upstream.chats[0].headers["x-team"] == "blue"


async def test_models(client: AsyncClient, proxy: Proxy) -> None:
    assert "m" in [model.id for model in await client.models()]


@pytest.mark.parametrize("form", [None, "float", "base64"])
async def test_vectors(direct: AsyncClient, upstream: FakeUpstream, form: str | None) -> None:
    upstream.script(embedder(form=form))
    assert await direct.embed(["a", "b"]) == [vector("a"), vector("b")]
    assert await direct.embed("a", dimensions=2) == [vector("a", 2)]


@pytest.mark.parametrize("data", [[], [{}], [{"index": 0, "embedding": "!"}], {}, [{"index": None, "embedding": []}]])
async def test_what_is_no_vector(direct: AsyncClient, upstream: FakeUpstream, data: object) -> None:
    upstream.script(body({"data": data}))
    with pytest.raises(ServerFailed, match="does not hold 1 vectors"):
        await direct.embed("a")


async def test_generate_stream_goes_on_without_a_stream_that_breaks_at_once(
    direct: AsyncClient, upstream: FakeUpstream
) -> None:
    upstream.script(answer(head(), cut()), whole("Grüße"))
    stream = direct.generate_stream("hello")
    found = await drained(stream)
    assert "".join(piece.text for piece in found) == stream.text == "Grüße"
    assert found[-1].finish_reason == "stop"
    assert [seen.stream for seen in upstream.chats] == [True, False]


async def test_generate_stream_says_what_breaks_later(direct: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(text_stream("one two three").first(3).then(cut()), whole("Grüße"))
    with pytest.raises(StreamLost) as lost:
        await drained(direct.generate_stream("hello"))
    assert lost.value.partial == "one two "
    assert len(upstream.chats) == 1


async def test_a_server_that_streams_nothing(direct: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(whole("Grüße"))
    stream = direct.chat_stream("hello")
    assert "".join([piece.text async for piece in stream]) == "Grüße"
    assert stream.finish_reason == "stop"


@pytest.mark.parametrize("sent", [b"data: {nothing\n\n", b"data: []\n\n"])
async def test_garbage_in_a_stream_is_not_left_out(direct: AsyncClient, upstream: FakeUpstream, sent: bytes) -> None:
    steps = text_stream("one two three").steps
    upstream.script(answer(*steps[:2], raw(sent), *steps[2:]))
    with pytest.raises(StreamLost) as lost:
        await drained(direct.chat_stream("hello"))
    assert (lost.value.code, lost.value.partial) == ("upstream_protocol_error", "one ")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, AuthenticationFailed),
        (403, AuthenticationFailed),
        (404, NotFound),
        (429, RateLimited),
        (500, ServerFailed),
        (503, ServerFailed),
    ],
)
async def test_errors_by_their_status(
    direct: AsyncClient, upstream: FakeUpstream, pauses: Pauses, status: int, kind: type[Refused]
) -> None:
    told = {"error": {"message": "no luck", "type": "t", "param": "model", "code": "c1"}}
    upstream.script(error(status, told, {"x-request-id": "r-1"}))
    with pytest.raises(kind, match="no luck") as refused:
        await direct.chat("hello")
    assert type(refused.value) is kind
    found = refused.value
    assert (found.code, found.status, found.param, found.request_id, found.partial) == (
        "c1",
        status,
        "model",
        "r-1",
        "",
    )
    assert len(upstream.chats) == (3 if status >= 429 else 1)
    assert len(pauses.asked) == len(upstream.chats) - 1


async def test_an_upstream_that_was_too_slow_may_be_asked_again(direct: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(error(504, {"error": {"message": "slow", "code": "upstream_timeout"}}), whole("Grüße"))
    assert await direct.generate("hello") == "Grüße"


async def test_a_server_may_forbid_to_try_again(direct: AsyncClient, upstream: FakeUpstream) -> None:
    upstream.script(error(503, None, {"x-should-retry": "false"}))
    with pytest.raises(ServerFailed):
        await direct.chat("hello")
    assert len(upstream.chats) == 1


@pytest.mark.parametrize(
    ("scripted", "words"),
    [
        (body("<html>busy</html>", status=400), "status 400: <html>busy</html>"),
        (body({"error": "text alone"}, status=400), "text alone"),
        (body("", status=400), "status 400: nothing"),
        (redirect("http://example.com"), "redirect"),
        (body("hello"), "does not answer like OpenAI"),
        (body([]), "does not answer like OpenAI"),
        (body({"choices": []}), "no choices"),
        (body({"choices": 5}), "no choices"),
        (body({"choices": [5]}), "no choices"),
    ],
)
async def test_answers_that_are_none(direct: AsyncClient, upstream: FakeUpstream, scripted: Any, words: str) -> None:
    upstream.script(scripted)
    with pytest.raises(Refused, match=words):
        await direct.chat("hello")


async def test_a_whole_answer_that_is_cut(direct: AsyncClient, upstream: FakeUpstream) -> None:
    data = json.dumps({"choices": []}).encode()
    upstream.script(answer(head(200, {"Content-Length": "999", "Content-Type": "application/json"}), raw(data), cut()))
    with pytest.raises(Unreachable, match="closed the connection"):
        await direct.chat("hello")


async def test_a_server_that_says_nothing(upstream: FakeUpstream) -> None:
    upstream.script(answer(stall()))
    async with AsyncClient(upstream.url, model="m", patience=Patience(answer=0.05)) as client:
        with pytest.raises(Unreachable) as failed:
            await client.chat("hello")
    assert failed.value.code == "upstream_timeout"
    assert len(upstream.chats) == 1


async def test_a_key_that_is_wrong(upstream: FakeUpstream) -> None:
    more = 'keys: {static: ["sk-caller-key-12345678"]}\n'
    async with (
        serving(one_upstream(upstream, more=more)) as running,
        AsyncClient(running.url, api_key="wrong", model="m") as client,
    ):
        with pytest.raises(AuthenticationFailed) as refused:
            await client.chat("hello")
    assert refused.value.code == "invalid_api_key"


async def test_a_caller_s_mistakes(upstream: FakeUpstream) -> None:
    upstream.script(reply("hi"))
    with pytest.raises(ValueError, match="no address"):
        AsyncClient("ftp://somewhere")
    async with AsyncClient(upstream.url) as client:
        with pytest.raises(ValueError, match="name a model"):
            await client.chat("hello")
        with pytest.raises(TypeError, match="'temprature'"):
            client.chat_stream("hello", model="m", temprature=1)  # type: ignore[call-arg]
    assert issubclass(ClientError, Exception)
    assert upstream.requests == []
