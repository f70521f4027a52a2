"""Embeddings of the providers: what they send, how they split it, how they fail."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llms.protocol.embeddings import EmbeddingRequest, Embeddings, parse_embeddings
from llms.protocol.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    LlmsError,
    NotSupported,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from llms.protocol.vectors import Written, write
from llms.providers import registry
from llms.providers.base import ProviderSettings, SupportsEmbeddings
from llms.testing.answers import Answer
from llms.testing.contract.setup import lent_resources
from llms.testing.fake_upstream import FakeUpstream, answer, body, cut, error, head, raw, redirect, stall
from llms.testing.seen import Seen
from tests.providers.sdk_chats import client_of, install
from tests.vectors import embedder, inputs_of, made, vector

KEY = "sk-planted-5f1c0ffee"
TEXTS = [f"text {number}" for number in range(10)]
OPENAI = "openai:AsyncOpenAI"


def asked(given: Any = "text", **fields: Any) -> EmbeddingRequest:
    return parse_embeddings(json.dumps({"model": "asked", "input": given, **fields}).encode(), hops=1).for_model("m")


@asynccontextmanager
async def provider(kind: str, **row: Any) -> AsyncGenerator[SupportsEmbeddings]:
    """Lend a provider of a type."""
    async with lent_resources() as resources:
        settings = ProviderSettings("up", kind, registry.parse(kind, row), max_answer=2**16)
        built = registry.build(settings, resources)
        assert isinstance(built, SupportsEmbeddings)
        try:
            yield built
        finally:
            if kind == "sdk":
                await built.close()  # type: ignore[attr-defined]


def relaying(kind: str, upstream: FakeUpstream, **row: Any) -> Any:
    """Lend a provider that relays to an upstream."""
    if kind == "sdk":
        return provider(kind, client=OPENAI, options={"api_key": KEY, "base_url": upstream.url}, **row)
    return provider(kind, base_url=upstream.url, api_key=KEY, **row)


def vectors_of(embeddings: Embeddings, request: EmbeddingRequest) -> list[list[float]]:
    work = write(embeddings, request.without("encoding_format"), provider="up")
    while True:
        try:
            next(work)
        except StopIteration as done:
            written: Written = done.value
            return [item["embedding"] for item in json.loads(written.payload)["data"]]


both = pytest.mark.parametrize("kind", ["openai_compatible", "sdk"])


@both
@pytest.mark.parametrize("given", ["text", ["a", "b"], [1, 2], [[1], [2, 3]]], ids=str)
@pytest.mark.parametrize("form", ["float", "base64", None])
async def test_every_kind_of_input_reaches_the_upstream(kind: str, given: Any, form: str | None) -> None:
    request = asked(given, **({"encoding_format": form} if form else {}), dimensions=3, user="u", x_extra=[1])
    async with FakeUpstream() as upstream, relaying(kind, upstream) as up:
        upstream.on(embedder())
        found = await up.embed(request)
        (seen,) = upstream.chats

    assert seen.path == "/v1/embeddings"
    assert (seen.headers["authorization"], seen.headers["x-llms-hops"]) == (f"Bearer {KEY}", "2")
    sent = {**request.body, "model": "m"}
    assert {**seen.json, "encoding_format": sent.get("encoding_format")} == {**sent, "encoding_format": form}
    assert vectors_of(found, request) == [vector(one, 3) for one in inputs_of(sent)]
    assert found.upstream_request_id == "up-1"


@both
async def test_the_bytes_of_an_answer_are_kept(kind: str) -> None:
    text = b'{"object":"list","data":[{"index":0,"embedding":[1.50],"x":1}],"model":"m","odd":{"a":null}}'
    async with FakeUpstream() as upstream, relaying(kind, upstream) as up:
        upstream.script(answer(head(200, {"Content-Type": "application/json"}), raw(text)))
        found = await up.embed(asked(encoding_format="float"))

    assert found.answers == ((1, text),)


FAILURES: list[tuple[Answer, type[LlmsError]]] = [
    (error(400), UpstreamRejected),
    (error(401), UpstreamAuthenticationFailed),
    (error(404), UpstreamRejected),
    (error(422, {"detail": [{"loc": ["body", "dimensions"], "msg": "no"}]}), UpstreamRejected),
    (error(429, headers={"Retry-After": "30"}), UpstreamOverloaded),
    (error(500), UpstreamError),
    (error(503), UpstreamOverloaded),
    (error(400, {"error": {"message": "maximum context length is 8"}}), ContextLengthExceeded),
    (body({"error": {"message": "no luck", "code": 429}}), UpstreamOverloaded),
    (body({"object": "error", "message": "no luck", "code": 400}), UpstreamRejected),
    (body("<html>hello</html>"), UpstreamProtocolError),
    (body(b""), UpstreamProtocolError),
    (redirect("http://127.0.0.1:9/v1/embeddings"), UpstreamProtocolError),
    (answer(head(200, {"Content-Type": "application/json"}), raw(b'{"data":[{"embedding":[1'), cut()), UpstreamError),
]


@both
@pytest.mark.parametrize(("script", "kind_of_error"), FAILURES, ids=range(len(FAILURES)))
async def test_a_failure_is_the_error_that_a_chat_would_get(
    kind: str, script: Answer, kind_of_error: type[LlmsError]
) -> None:
    async with FakeUpstream() as upstream, relaying(kind, upstream) as up:
        upstream.script(script)
        with pytest.raises(kind_of_error) as caught:
            await up.embed(asked())
        upstream.on(embedder())
        found = await up.embed(asked())

    assert caught.value.message.startswith("up: ")
    assert KEY not in repr(vars(caught.value))
    assert vectors_of(found, asked()) == [vector("text")]
    if isinstance(caught.value, ContextLengthExceeded):
        assert caught.value.param == "input"


@both
async def test_nobody_there_is_told(kind: str) -> None:
    async with FakeUpstream(refuses=True) as upstream, relaying(kind, upstream) as up:
        with pytest.raises(UpstreamUnreachable):
            await up.embed(asked())


async def test_an_answer_has_bounds_that_grow_with_the_request() -> None:
    numbers = [0.123456789] * 9_000
    text = json.dumps({"data": [{"index": at, "embedding": numbers} for at in range(10)]})
    assert len(text) > 2**20
    async with FakeUpstream() as upstream, relaying("openai_compatible", upstream) as up:
        upstream.script(body(json.loads(text)))
        assert len((await up.embed(asked(["x"] * 10))).answers[0][1]) > 2**20
        with pytest.raises(UpstreamProtocolError, match="larger than"):
            await up.embed(asked(["x"] * 2))


class TestTheForm:
    @pytest.mark.parametrize(
        "refusal",
        [
            {"error": {"message": "encoding_format base64 is not supported", "param": None}},
            {"error": {"message": "unknown field", "param": "encoding_format"}},
            {"detail": [{"loc": ["body", "encoding_format"], "msg": "Extra inputs are not permitted"}]},
        ],
        ids=range(3),
    )
    async def test_is_left_to_an_upstream_that_refuses_to_be_told(self, refusal: Any) -> None:
        def answering(seen: Seen) -> Answer:
            return error(422, refusal) if "encoding_format" in seen.json else embedder()(seen)

        async with FakeUpstream() as upstream, relaying("openai_compatible", upstream) as up:
            upstream.on(answering)
            found = [await up.embed(asked(encoding_format="base64")) for _ in range(2)]

            assert ["encoding_format" in seen.json for seen in upstream.chats] == [True, False, False]
            assert [vectors_of(one, asked()) for one in found] == [[vector("text")]] * 2

    async def test_that_is_refused_for_another_reason_is_not_doubted(self) -> None:
        async with FakeUpstream() as upstream, relaying("openai_compatible", upstream) as up:
            upstream.script(error(400, {"error": {"message": "dimensions is wrong", "param": "dimensions"}}))
            with pytest.raises(UpstreamRejected):
                await up.embed(asked(encoding_format="base64"))

            assert len(upstream.chats) == 1

    async def test_that_is_refused_with_everything_else_stays_the_clients_error(self) -> None:
        async with FakeUpstream() as upstream, relaying("openai_compatible", upstream) as up:
            upstream.script(error(422, {"error": {"message": "no encoding_format, no nothing"}}))
            for _ in range(2):
                with pytest.raises(UpstreamRejected):
                    await up.embed(asked(encoding_format="base64"))

            assert ["encoding_format" in seen.json for seen in upstream.chats] == [True, False] * 2


class TestBatches:
    @both
    @pytest.mark.parametrize(("most", "sizes"), [(4, [4, 4, 2]), (10, [10]), (1, [1] * 10), (3, [3, 3, 3, 1])])
    async def test_are_of_the_size_of_the_row_and_joined_in_order(self, kind: str, most: int, sizes: list[int]) -> None:
        async with FakeUpstream() as upstream, relaying(kind, upstream, max_inputs=most) as up:
            upstream.on(embedder())
            found = await up.embed(asked(TEXTS, dimensions=2))

            assert sorted(len(seen.json["input"]) for seen in upstream.chats) == sorted(sizes)
            assert all(seen.json["dimensions"] == 2 for seen in upstream.chats)
        assert [count for count, _ in found.answers] == sizes
        assert vectors_of(found, asked(TEXTS)) == [vector(text, 2) for text in TEXTS]
        assert found.upstream_request_id == "up-1"

    async def test_of_token_lists_stay_token_lists(self) -> None:
        given = [[1], [2, 3], [4]]
        async with FakeUpstream() as upstream, relaying("openai_compatible", upstream, max_inputs=2) as up:
            upstream.on(embedder())
            found = await up.embed(asked(given))

        assert vectors_of(found, asked(given)) == [vector(tokens) for tokens in given]

    async def test_are_asked_four_at_once_and_no_more(self) -> None:
        async with FakeUpstream() as upstream, relaying("openai_compatible", upstream, max_inputs=1) as up:
            upstream.script(answer(stall()))
            asking = asyncio.create_task(up.embed(asked(TEXTS)))
            for seen in [await upstream.arrived(number) for number in range(1, 5)]:
                await seen.silent()
            await asyncio.sleep(0.05)

            assert len(upstream.chats) == 4
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            for seen in upstream.chats:
                await seen.gone()
            assert len(upstream.chats) == 4

    async def test_end_with_the_first_that_fails(self) -> None:
        def answering(seen: Seen) -> Answer:
            return error(500) if seen.json["input"] == ["text 1"] else answer(stall())

        async with FakeUpstream() as upstream, relaying("openai_compatible", upstream, max_inputs=1) as up:
            upstream.on(answering)
            with pytest.raises(UpstreamError):
                await up.embed(asked(TEXTS))

            for seen in upstream.chats:
                await seen.over()
            assert len(upstream.chats) <= 5

    async def test_wait_for_each_other(self) -> None:
        """The first batch is answered last, and is the first in the answer."""

        def answering(seen: Seen) -> Answer:
            told = body(made(seen))
            return told.paced(0.1) if "text 0" in seen.json["input"] else told

        async with FakeUpstream() as upstream, relaying("openai_compatible", upstream, max_inputs=2) as up:
            upstream.on(answering)
            found = await up.embed(asked(TEXTS))

        assert vectors_of(found, asked(TEXTS)) == [vector(text) for text in TEXTS]

    @pytest.mark.parametrize("most", [0, -1, "many", 1.5])
    def test_have_a_size_that_makes_sense(self, most: Any) -> None:
        (problem,) = registry.validate("openai_compatible", {"base_url": "http://127.0.0.1/v1", "max_inputs": most})

        assert problem.path == ("max_inputs",)

    def test_of_a_known_provider_have_its_size(self) -> None:
        assert registry.parse("gemini", {}).max_inputs == 100  # type: ignore[attr-defined]
        assert registry.parse("gemini", {"max_inputs": 20}).max_inputs == 20  # type: ignore[attr-defined]
        assert registry.parse("openai", {}).max_inputs is None  # type: ignore[attr-defined]


class TestAnSdk:
    async def test_without_embeddings_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        install(monkeypatch, "chatsdk", Client=client_of(lambda **_: None))
        async with provider("sdk", client="chatsdk:Client") as up:
            with pytest.raises(NotSupported, match=r"no embeddings\.create"):
                await up.embed(asked())

    async def test_that_shows_no_http_answer_is_read_by_its_objects(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import types

        told: list[dict[str, Any]] = []

        async def create(*, model: str, input: Any, extra_body: Any = None) -> Any:
            told.append({"model": model, "input": input, "extra_body": extra_body})
            data = [{"index": 0, "embedding": [0.5, 0.25]}]
            return types.SimpleNamespace(to_dict=lambda: {"object": "list", "data": data, "model": "own"})

        embeddings = types.SimpleNamespace(create=create)
        install(monkeypatch, "plainsdk", Client=client_of(lambda **_: None, embeddings=embeddings))
        async with provider("sdk", client="plainsdk:Client") as up:
            found = await up.embed(asked(dimensions=2))

        assert told == [{"model": "m", "input": "text", "extra_body": {"dimensions": 2}}]
        assert vectors_of(found, asked()) == [[0.5, 0.25]]

    @pytest.mark.parametrize("given", [None, 5, "text", [1.0]])
    async def test_that_gives_something_else_is_told(self, monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
        import types

        embeddings = types.SimpleNamespace(create=lambda **_: given)
        install(monkeypatch, "oddsdk", Client=client_of(lambda **_: None, embeddings=embeddings))
        async with provider("sdk", client="oddsdk:Client") as up:
            with pytest.raises(UpstreamProtocolError, match="not embeddings"):
                await up.embed(asked())

    async def test_that_fails_does_not_tell_its_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import types

        def create(**_: Any) -> Any:
            raise RuntimeError(f"bad key {KEY}")

        embeddings = types.SimpleNamespace(create=create)
        install(monkeypatch, "brokensdk", Client=client_of(lambda **_: None, embeddings=embeddings))
        async with provider("sdk", client="brokensdk:Client", options={"api_key": KEY}) as up:
            with pytest.raises(UpstreamError) as caught:
                await up.embed(asked())

        assert KEY not in repr(vars(caught.value))
        assert caught.value.__context__ is None


class TestEcho:
    async def test_gives_each_input_the_same_vector_of_length_1_every_time(self) -> None:
        async with provider("echo") as up:
            one, two = [await up.embed(asked(given)) for given in (["a", "b", "a"], [[1, 2], [3]])]

        assert one.vectors[0] == one.vectors[2] != one.vectors[1]
        for found in (*one.vectors, *two.vectors):
            assert len(found) == 16
            assert math.hypot(*found) == pytest.approx(1)
        assert (one.usage and one.usage.prompt_tokens, two.usage and two.usage.prompt_tokens) == (3, 3)

    async def test_has_as_many_dimensions_as_are_asked_for(self) -> None:
        async with provider("echo") as up:
            assert len((await up.embed(asked(dimensions=5))).vectors[0]) == 5
            assert len((await up.embed(asked(dimensions=4096))).vectors[0]) == 4096
            with pytest.raises(InvalidRequest):
                await up.embed(asked(dimensions=4097))


async def test_a_cut_is_told_as_such() -> None:
    async with FakeUpstream() as upstream, relaying("openai_compatible", upstream) as up:
        upstream.script(answer(head(200, {"Content-Type": "application/json"}), raw(b'{"data":[{"embe'), cut()))
        with pytest.raises(UpstreamTruncated):
            await up.embed(asked())
