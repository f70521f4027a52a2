"""The provider of somebody's SDK, with clients of any other making."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from llms.protocol.errors import (
    LlmsError,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
)
from tests.providers.sdk_chats import (
    KEY,
    OPENAI,
    ask,
    chunks_of,
    client_of,
    failure_of,
    install,
    opened,
    piece,
    provider,
    text_of,
)


@pytest.mark.parametrize(
    ("client", "options", "says"),
    [
        ("surely_not_installed:Client", {}, "pip install surely-not-installed"),
        ("air.client:AsyncAIRefinery", {}, "pip install airefinery-sdk"),
        ("openai.nowhere:Client", {}, "openai.nowhere cannot be imported"),
        ("openai:AsyncOpenIA", {}, 'no "AsyncOpenIA"'),
        ("openai:OpenAI", {}, "openai:AsyncOpenAI"),
        (OPENAI, {"api_key": KEY, "apikey": KEY}, "unexpected keyword argument 'apikey'"),
        ("types:SimpleNamespace", {}, "no chat.completions.create"),
        ("gives_up:Client", {}, "SystemExit"),
        ("half_there:Client", {}, "pip install missing_part"),
    ],
)
async def test_a_client_that_cannot_be_built_says_why(
    client: str, options: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gives_up", _Raising("gives_up", SystemExit(3)))
    monkeypatch.setitem(
        sys.modules, "half_there", _Raising("half_there", ModuleNotFoundError("no", name="missing_part"))
    )
    async with opened(client, options) as made:
        failure = await failure_of(made)
        assert isinstance(failure, UpstreamError)
        assert says in failure.message
        with pytest.raises(UpstreamError):
            await made.models()


class _Raising(types.ModuleType):
    """A module whose client fails when it is looked up."""

    def __init__(self, name: str, failure: BaseException) -> None:
        super().__init__(name)
        self._failure = failure

    def __getattr__(self, name: str) -> Any:
        if name == "Client":
            raise self._failure
        raise AttributeError(name)


class _Stream:
    """An asynchronous iterator that must be closed by `close()`."""

    def __init__(self, *found: Any) -> None:
        self._found = iter(found)
        self.closed = 0

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> Any:
        found = next(self._found, None)
        if found is None:
            raise StopAsyncIteration
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        self.closed += 1


class _Told:
    """An object that tells itself by `to_dict`."""

    def __init__(self, **told: Any) -> None:
        self._told = told

    def to_dict(self) -> dict[str, Any]:
        return self._told


class _InStream(Exception):
    """An error event, as an SDK raises it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.body = {"message": f"busy {KEY}", "code": "503"}


async def test_any_iterator_of_any_objects_is_read_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Stream(piece("a", vendor=1), _Told(**piece("b")), {"type": "ping"}, {"error": None, **piece("c", "stop")})
    install(monkeypatch, "plain", Client=client_of(lambda **_: stream))
    async with opened("plain:Client", {}) as made:
        chunks = await chunks_of(made, ask())
        assert text_of(chunks) == "abc"
        assert chunks[0].objects[0]["vendor"] == 1
        assert [chunk.skipped for chunk in chunks] == [0, 0, 1]
        assert stream.closed == 1


async def test_a_generator_given_without_await_is_closed_with_the_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = asyncio.Event()

    async def create(**_: Any) -> AsyncGenerator[dict[str, Any], None]:
        try:
            yield piece("a")
            await asyncio.get_running_loop().create_future()
        finally:
            closed.set()

    install(monkeypatch, "generating", Client=client_of(create))
    async with opened("generating:Client", {}) as made:
        chat = made.chat(ask())
        await anext(chat)
        await chat.aclose()
        assert closed.is_set()


@pytest.mark.parametrize(
    ("found", "kind", "says"),
    [
        (_InStream("in stream"), UpstreamOverloaded, "busy ***"),
        ({"error": {"message": "later", "code": 429}}, UpstreamOverloaded, "later"),
        (ConnectionResetError(), UpstreamTruncated, "broke the connection"),
        (TimeoutError(), UpstreamTimeout, "in time"),
        (KeyError(KEY), UpstreamError, "KeyError: '***'"),
        (json.JSONDecodeError("odd", "x", 0), UpstreamProtocolError, "cannot read"),
    ],
)
async def test_failures_of_a_stream_of_objects(
    found: Any, kind: type[LlmsError], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = _Stream(piece("a"), found)
    install(monkeypatch, "failing", Client=client_of(lambda **_: stream))
    async with opened("failing:Client", {"api_key": KEY}) as made:
        failure = await failure_of(made)
        assert type(failure) is kind
        assert says in failure.message
        assert stream.closed == 1


@pytest.mark.parametrize("given", [iter([piece("a")]), "text", 7, None, {"choices": []}])
async def test_what_is_no_answer_is_refused(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "odd_one", Client=client_of(lambda **_: given))
    async with opened("odd_one:Client", {}) as made:
        assert isinstance(await failure_of(made), UpstreamProtocolError)


async def test_keys_that_the_sdk_finds_itself_are_kept_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Stream(RuntimeError(f"denied for {KEY}"))
    install(monkeypatch, "finding", Client=client_of(lambda **_: stream, api_key=KEY))
    async with opened("finding:Client", {}) as made:
        assert (await failure_of(made)).message == "theirs: RuntimeError: denied for ***"


@pytest.mark.parametrize("listing", [["a", {"id": "b"}], {"data": [{"id": "a"}, "b"]}, _Stream("a", _Told(name="b"))])
async def test_lists_of_models_of_any_shape(listing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(lambda **_: None, models=types.SimpleNamespace(list=lambda: listing))
    install(monkeypatch, "listing", Client=client)
    async with opened("listing:Client", {}) as made:
        assert [model.id for model in await made.models()] == ["a", "b"]


class _Closing:
    """Clients that are let go in one of three ways."""

    def __init__(self, way: str) -> None:
        self.chat = types.SimpleNamespace(completions=types.SimpleNamespace(create=self._create))
        self.closed: list[str] = []
        setattr(self, way, self._sync if way == "close" else self._async)

    async def _create(self, **_: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "message": {"content": "ok"}, "finish_reason": "stop"}]}

    def _sync(self) -> None:
        self.closed.append("close")

    async def _async(self, *_: object) -> None:
        self.closed.append("async")


@pytest.mark.parametrize(("way", "closed"), [("close", "close"), ("aclose", "async"), ("__aexit__", "async")])
async def test_the_client_is_closed_at_the_end_by_what_it_has(
    way: str, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = _Closing(way)
    install(monkeypatch, "closing", Client=lambda: client)
    made = provider("closing:Client", {})
    await made.close()
    assert client.closed == []
    await chunks_of(made, ask(), stream=False)
    await made.close()
    await made.close()
    assert client.closed == [closed]


async def test_pieces_instead_of_a_whole_answer_have_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def create(**_: Any) -> AsyncGenerator[dict[str, Any], None]:
        async def pieces() -> AsyncGenerator[dict[str, Any], None]:
            while True:
                yield piece("x" * 1000)

        return pieces()

    install(monkeypatch, "endless", Client=client_of(create))
    made = provider("endless:Client", {}, max_answer=100_000)
    failure = await failure_of(made, stream=False)

    assert isinstance(failure, UpstreamProtocolError)
    assert "larger than 100000 bytes" in failure.message
