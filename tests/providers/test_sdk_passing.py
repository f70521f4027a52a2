"""What else an SDK is asked for: images, speech, moderations, through OpenAI's own client and others' makings."""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llms.protocol.errors import (
    InvalidRequest,
    LlmsError,
    NotSupported,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRejected,
)
from llms.protocol.passthrough import PassRequest
from llms.providers.sdk import SdkProvider
from llms.testing.answers import answer, body, error
from llms.testing.fake_upstream import FakeUpstream, cut, head, raw
from tests.providers.sdk_chats import KEY, OPENAI, client_of, install, openai_at, opened, provider

PICTURES = {"created": 1, "data": [{"b64_json": "aGk="}]}


def asked(path: str = "images/generations", **fields: Any) -> PassRequest:
    return PassRequest("POST", path, model="theirs", fields={"model": "alias", "prompt": "a house", **fields}, hops=1)


async def read(made: SdkProvider, request: PassRequest) -> tuple[str, bytes]:
    answer = await made.pass_on(request)
    parts = []
    while data := await answer.read():
        parts.append(data)
    answer.close()
    return answer.headers["content-type"], b"".join(parts)


@asynccontextmanager
async def through_openai() -> AsyncGenerator[tuple[SdkProvider, FakeUpstream]]:
    async with FakeUpstream() as upstream, opened(OPENAI, openai_at(upstream)) as made:
        yield made, upstream


class TestOpenAI:
    async def test_an_image(self) -> None:
        async with through_openai() as (made, upstream):
            upstream.script(body(PICTURES))
            kind, said = await read(made, asked(size="1x1", x_more=1))
            (seen,) = upstream.chats

        assert (kind, b"aGk=" in said) == ("application/json", True)
        assert seen.path == "/v1/images/generations"
        assert seen.json == {"model": "theirs", "prompt": "a house", "size": "1x1", "x_more": 1}
        assert seen.headers["x-llms-hops"] == "2"

    async def test_speech(self) -> None:
        async with through_openai() as (made, upstream):
            upstream.script(answer(head(200, {"Content-Type": "audio/wav"}), raw(b"\0sound")))
            request = PassRequest("POST", "audio/speech", model="tts", fields={"input": "Hi", "voice": "alloy"})
            assert await read(made, request) == ("audio/wav", b"\0sound")

        assert upstream.chats[0].json == {"model": "tts", "input": "Hi", "voice": "alloy"}

    async def test_moderations_without_a_model(self) -> None:
        async with through_openai() as (made, upstream):
            upstream.script(body({"id": "m", "model": "x", "results": []}))
            await read(made, PassRequest("POST", "moderations", fields={"input": "Hi"}))

        assert upstream.chats[0].json == {"input": "Hi"}

    @pytest.mark.parametrize(
        ("script", "kind"),
        [
            (error(400), UpstreamRejected),
            (error(401, message=f"bad {KEY}"), UpstreamAuthenticationFailed),
            (error(429), UpstreamOverloaded),
            (error(500), UpstreamError),
            (answer(cut()), UpstreamError),
            (answer(head(200, {"Content-Type": "application/json"}), raw(b"{"), cut()), UpstreamError),
        ],
        ids=range(6),
    )
    async def test_failures_are_ours(self, script: Any, kind: type[LlmsError]) -> None:
        async with through_openai() as (made, upstream):
            upstream.script(script)
            with pytest.raises(kind) as caught:
                await read(made, asked())

        assert KEY not in f"{caught.value} {vars(caught.value)}"

    @pytest.mark.parametrize("fields", [{"stream": True}, {"stream_format": "sse"}])
    async def test_streams_are_left_to_others(self, fields: dict[str, Any]) -> None:
        async with through_openai() as (made, upstream):
            with pytest.raises(NotSupported, match="stream"):
                await made.pass_on(asked(**fields))
            assert not upstream.chats


class _Speech:
    """Speech as AI Refinery's SDK gives it: an object with its bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content


def refinery(monkeypatch: pytest.MonkeyPatch, found: Any) -> list[dict[str, Any]]:
    """Install a client with methods of AI Refinery's signatures; return what they are called with."""
    calls: list[dict[str, Any]] = []

    async def generate(
        *,
        prompt: str,
        model: str,
        timeout: float | None = None,
        extra_headers: Any = None,
        extra_body: Any = None,
        **more: Any,
    ) -> Any:
        calls.append({"prompt": prompt, "model": model, "timeout": timeout, "extra_body": extra_body, **more})
        return found

    async def create(
        model: str,
        input: str,
        *,
        voice: str,
        response_format: str = "mp3",
        extra_headers: Any = None,
        extra_body: Any = None,
    ) -> Any:
        calls.append({"model": model, "input": input, "voice": voice, "format": response_format, "extra": extra_body})
        return found

    images, speech = types.SimpleNamespace(generate=generate), types.SimpleNamespace(create=create)
    audio = types.SimpleNamespace(speech=speech)
    install(monkeypatch, "refining", Client=client_of(lambda **_: None, images=images, audio=audio))
    return calls


class TestOthers:
    async def test_an_object_is_told_as_json(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = refinery(monkeypatch, PICTURES)
        async with opened("refining:Client", {}) as made:
            kind, said = await read(made, asked(timeout=3, n=2))

        assert (kind, said) == ("application/json", b'{"created":1,"data":[{"b64_json":"aGk="}]}')
        assert calls == [
            {"prompt": "a house", "model": "theirs", "timeout": None, "extra_body": {"timeout": 3}, "n": 2}
        ]

    @pytest.mark.parametrize(
        ("form", "kind"), [(None, "audio/mpeg"), ("wav", "audio/wav"), ("odd", "application/octet-stream")]
    )
    @pytest.mark.parametrize("found", [b"\0sound", _Speech(b"\0sound")], ids=["bytes", "object"])
    async def test_speech(self, found: Any, form: str | None, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = refinery(monkeypatch, found)
        fields = {"input": "Hi", "voice": "v", "x_more": 1, **({"response_format": form} if form else {})}
        async with opened("refining:Client", {}) as made:
            told = await read(made, PassRequest("POST", "audio/speech", model="tts", fields=fields))

        assert told == (kind, b"\0sound")
        assert calls == [{"model": "tts", "input": "Hi", "voice": "v", "format": form or "mp3", "extra": {"x_more": 1}}]

    async def test_a_method_that_is_missing_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refinery(monkeypatch, None)
        async with opened("refining:Client", {}) as made:
            with pytest.raises(NotSupported, match=r"no moderations\.create"):
                await made.pass_on(PassRequest("POST", "moderations", model="m", fields={"input": "x"}))

    @pytest.mark.parametrize("found", [None, 7, "text", iter([b"a"])])
    async def test_what_is_no_answer_is_refused(self, found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        refinery(monkeypatch, found)
        async with opened("refining:Client", {}) as made:
            with pytest.raises(UpstreamProtocolError, match="neither"):
                await made.pass_on(asked())

    async def test_too_long_an_answer_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refinery(monkeypatch, {"data": "x" * 2000})
        made = provider("refining:Client", {}, max_answer=1000)
        with pytest.raises(UpstreamProtocolError, match="1000 bytes"):
            await made.pass_on(asked())

    async def test_an_sdk_that_cannot_send_a_field_names_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def generate(*, model: str, prompt: str) -> Any:
            return PICTURES

        images = types.SimpleNamespace(generate=generate)
        install(monkeypatch, "strict", Client=client_of(lambda **_: None, images=images))
        async with opened("strict:Client", {}) as made:
            with pytest.raises(InvalidRequest, match="size"):
                await made.pass_on(asked(size="1x1"))


@pytest.mark.parametrize(
    ("request_of", "is_passed"),
    [
        (asked(), True),
        (PassRequest("POST", "moderations", fields={}), True),
        (PassRequest("POST", "audio/transcriptions", model="m"), False),
        (PassRequest("GET", "files"), False),
    ],
)
def test_what_an_sdk_may_be_asked_for(request_of: PassRequest, is_passed: bool) -> None:
    assert provider(OPENAI, {}).passes(request_of) == is_passed
