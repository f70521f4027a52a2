"""The openai SDK in front of the proxy: completions, audio, images, moderations, files.

The upstream's answers are of the shapes in OpenAI's API reference: Completions, Audio, Images, Moderations, Files.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from langchain_openai import OpenAI

from llms.testing.answers import answer, body, echo, error, text_stream
from llms.testing.fake_upstream import FakeUpstream, Script, cut, event, head, raw
from tests.proxy import one_upstream, serving

FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 30,
    "created_at": 1,
    "filename": "a.jsonl",
    "purpose": "batch",
    "status": "processed",
}
DEPRECATED = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
"""The SDK says so of routes that many upstreams still have."""
SOUND = b"\xff\xfb" + bytes(range(256)) * 40


@asynccontextmanager
async def before(*scripted: Script, row: str = "") -> AsyncGenerator[tuple[openai.AsyncOpenAI, FakeUpstream]]:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row)) as proxy:
        upstream.script(*scripted)
        async with openai.AsyncOpenAI(base_url=proxy.url, api_key="none", max_retries=0) as client:
            yield client, upstream


class TestCompletions:
    async def test_whole(self) -> None:
        async with before(echo) as (client, _):
            found = await client.completions.create(model="m", prompt=["one", "two"], echo=True, max_tokens=5)

        assert [(choice.index, choice.text) for choice in found.choices] == [(0, "oneone"), (1, "twotwo")]
        assert found.usage is not None
        assert found.usage.total_tokens == 24

    async def test_streamed(self) -> None:
        async with before(text_stream("Hello wide world")) as (client, _):
            stream = await client.completions.create(
                model="m", prompt="x", stream=True, stream_options={"include_usage": True}
            )
            found = [chunk async for chunk in stream]

        assert "".join(chunk.choices[0].text for chunk in found if chunk.choices) == "Hello wide world"
        assert found[-1].usage is not None
        assert [chunk.choices[0].finish_reason for chunk in found if chunk.choices][-1] == "stop"

    async def test_a_break_is_raised(self) -> None:
        async with before(text_stream("Hello wide world").first(3).then(cut())) as (client, _):
            stream = await client.completions.create(model="m", prompt="x", stream=True)
            with pytest.raises(openai.APIError, match="broke"):
                async for _chunk in stream:
                    pass

    async def test_of_an_upstream_that_speaks_them(self) -> None:
        choice = {"text": "Hi", "index": 0, "logprobs": None, "finish_reason": "stop"}
        theirs = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "theirs", "choices": [choice]}
        async with before(body(theirs), row="dialects: [completions]") as (client, upstream):
            found = await client.completions.create(model="m", prompt=[[1, 2, 3]], suffix="end", logprobs=2)
            (seen,) = upstream.chats

        assert (found.id, found.choices[0].text) == ("cmpl-1", "Hi")
        assert seen.json["prompt"] == [[1, 2, 3]]

    async def test_langchain_completes_prompts(self) -> None:
        async with before(echo) as (client, upstream):
            with openai.OpenAI(base_url=client.base_url, api_key="none") as blocking:
                made = OpenAI(model="m", client=blocking.completions, async_client=client.completions)
                found = await made.agenerate(["one", "two"])
                streamed = [part async for part in made.astream("three words here")]

        assert [generations[0].text for generations in found.generations] == ["one", "two"]
        assert "".join(streamed) == "three words here"
        assert len(upstream.chats) == 3


class TestAudio:
    async def test_speech(self) -> None:
        spoken = answer(head(200, {"Content-Type": "audio/mpeg"}), raw(SOUND[:5000]), raw(SOUND[5000:]))
        async with before(spoken) as (client, upstream):
            found = await client.audio.speech.create(model="m", input="Hello", voice="alloy", response_format="mp3")
            (seen,) = upstream.chats

        assert found.content == SOUND
        assert seen.json == {"model": "real-model", "input": "Hello", "voice": "alloy", "response_format": "mp3"}

    async def test_speech_as_it_is_made(self) -> None:
        spoken = answer(
            head(200, {"Content-Type": "audio/mpeg"}), *(raw(SOUND[at : at + 999]) for at in range(0, 9990, 999))
        )
        async with before(spoken) as (client, _):
            made = client.audio.speech.with_streaming_response.create(model="m", input="Hello", voice="alloy")
            async with made as response:
                found = b"".join([part async for part in response.iter_bytes()])

        assert found == SOUND[:9990]

    async def test_speech_that_breaks_off_is_raised(self) -> None:
        async with before(answer(head(200, {"Content-Type": "audio/mpeg"}), raw(SOUND), cut())) as (client, _):
            with pytest.raises(openai.APIConnectionError):
                await client.audio.speech.create(model="m", input="Hello", voice="alloy")

    async def test_a_transcription(self) -> None:
        told = {"text": "Hello", "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 2, "total_tokens": 11}}
        async with before(body(told)) as (client, upstream):
            found = await client.audio.transcriptions.create(
                model="m", file=("a.mp3", io.BytesIO(SOUND)), language="en", timestamp_granularities=["word"]
            )
            (seen,) = upstream.chats

        assert found.text == "Hello"
        assert seen.path == "/v1/audio/transcriptions"
        assert b'name="model"\r\n\r\nreal-model\r\n' in seen.body
        assert SOUND in seen.body
        assert b'name="language"\r\n\r\nen\r\n' in seen.body

    async def test_a_transcription_as_text(self) -> None:
        plain = answer(head(200, {"Content-Type": "text/plain; charset=utf-8"}), raw("Grüße\n".encode()))
        async with before(plain) as (client, _):
            found: Any = await client.audio.transcriptions.create(
                model="m", file=("a.mp3", SOUND), response_format="text"
            )

        assert found == "Grüße\n"

    async def test_a_transcription_as_it_is_made(self) -> None:
        told = [
            {"type": "transcript.text.delta", "delta": "Hel"},
            {"type": "transcript.text.delta", "delta": "lo"},
            {"type": "transcript.text.done", "text": "Hello"},
        ]
        async with before(answer(*(event(item, name=str(item["type"])) for item in told))) as (client, _):
            stream = await client.audio.transcriptions.create(model="m", file=("a.mp3", SOUND), stream=True)
            found = [item.model_dump(exclude_unset=True) async for item in stream]

        assert found == told

    @DEPRECATED
    async def test_a_translation(self) -> None:
        async with before(body({"text": "Hello"})) as (client, upstream):
            found = await client.audio.translations.create(model="m", file=("a.mp3", SOUND))

        assert found.text == "Hello"
        assert upstream.chats[0].path == "/v1/audio/translations"


class TestImages:
    PICTURES = body({"created": 1, "data": [{"b64_json": "aGk="}]})

    async def test_one_is_made(self) -> None:
        async with before(self.PICTURES) as (client, upstream):
            found = await client.images.generate(model="m", prompt="a house", n=1, size="1024x1024")

        assert found.data is not None
        assert found.data[0].b64_json == "aGk="
        assert upstream.chats[0].json == {"model": "real-model", "prompt": "a house", "n": 1, "size": "1024x1024"}

    async def test_one_is_made_step_by_step(self) -> None:
        partial = {"type": "image_generation.partial_image", "b64_json": "aGk=", "partial_image_index": 0}
        done = {"type": "image_generation.completed", "b64_json": "aGk="}
        async with before(answer(event(partial, name=partial["type"]), event(done, name=done["type"]))) as (client, _):
            stream = await client.images.generate(model="m", prompt="a house", stream=True, partial_images=1)
            found = [item.type async for item in stream]

        assert found == [partial["type"], done["type"]]

    @DEPRECATED
    async def test_one_is_changed(self) -> None:
        async with before(self.PICTURES) as (client, upstream):
            await client.images.edit(
                model="m",
                prompt="more",
                image=[("a.png", b"\x89PNG a"), ("b.png", b"\x89PNG b")],
                mask=("m.png", b"\x89PNG m"),
            )
            await client.images.create_variation(model="m", image=("a.png", b"\x89PNG"))
            edits, variations = upstream.chats

        assert (edits.path, variations.path) == ("/v1/images/edits", "/v1/images/variations")
        assert all(b"\x89PNG " + name in edits.body for name in (b"a", b"b", b"m"))
        assert b"real-model" in variations.body


async def test_moderations() -> None:
    told = {"id": "modr-1", "model": "theirs", "results": [{"flagged": False, "categories": {}, "category_scores": {}}]}
    async with before(body(told)) as (client, upstream):
        named = await client.moderations.create(model="m", input=["a", "b"])
        await client.moderations.create(input="a")
        first, second = upstream.chats

    assert not named.results[0].flagged
    assert (first.json["model"], second.json) == ("real-model", {"input": "a"})


async def test_files() -> None:
    listed = {"object": "list", "data": [FILE], "has_more": False}
    scripted = [
        body(FILE),
        body(listed),
        body(FILE),
        answer(head(200, {"Content-Type": "application/octet-stream"}), raw(b"{}\n" * 10)),
        body({"id": "file-1", "object": "file", "deleted": True}),
    ]
    async with before(*scripted) as (client, upstream):
        made = await client.files.create(file=("a.jsonl", b"{}\n" * 10), purpose="batch")
        listing = await client.files.list(purpose="batch")
        found = await client.files.retrieve("file-1")
        content = await client.files.content("file-1")
        gone = await client.files.delete("file-1")
        asked = [(seen.method, seen.path) for seen in upstream.requests if "models" not in seen.path]

    assert made.id == found.id == listing.data[0].id == "file-1"
    assert content.content == b"{}\n" * 10
    assert gone.deleted
    assert asked == [
        ("POST", "/v1/files"),
        ("GET", "/v1/files?purpose=batch"),
        ("GET", "/v1/files/file-1"),
        ("GET", "/v1/files/file-1/content"),
        ("DELETE", "/v1/files/file-1"),
    ]


async def test_rerank() -> None:
    told = {"id": "r-1", "results": [{"index": 1, "relevance_score": 0.9}]}
    async with before(body(told)) as (client, upstream):
        found = await client.post("/rerank", body={"model": "m", "query": "q", "documents": ["a", "b"]}, cast_to=object)

    assert found == told
    assert upstream.chats[0].json["model"] == "real-model"


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (error(400), openai.BadRequestError),
        (error(401), openai.InternalServerError),
        (error(429, headers={"Retry-After": "30"}), openai.RateLimitError),
        (error(500), openai.InternalServerError),
    ],
)
async def test_a_refusal_is_raised_as_what_it_is(bad: Script, kind: type[openai.APIStatusError]) -> None:
    async with before(bad, row="retries: 0") as (client, _):
        with pytest.raises(kind) as caught:
            await client.audio.transcriptions.create(model="m", file=("a.mp3", SOUND))

    assert json.loads(caught.value.response.content)["error"]["code"]
