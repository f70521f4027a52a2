"""The ground that the tests of the contract stand on: a provider, its upstream, questions and folded answers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

import aiohttp
import pytest

from llms.protocol.chat import ChatRequest, Chunk, ChunkObject, CompletionObject
from llms.protocol.conform import Conform
from llms.protocol.errors import LlmsError
from llms.protocol.fold import Fold
from llms.protocol.whole import conform_completion
from llms.providers._pool import Pool
from llms.providers.base import Provider, Resources, SupportsClose
from llms.testing.contract.scripts import Scripts
from llms.testing.fake_upstream import FakeUpstream

_NEEDS: Final = "contract_needs"


Test = TypeVar("Test", bound=Callable[..., Any])


def needs(*attributes: str) -> Callable[[Test], Test]:
    """Leave a test out of every contract that sets one of these attributes to False."""

    def mark(test: Test) -> Test:
        setattr(test, _NEEDS, attributes)
        return test

    return mark


class Setup(Scripts):
    """Give `provider`; switch off what cannot apply."""

    pytestmark = pytest.mark.asyncio

    speaks_http: ClassVar[bool] = True
    """The provider talks to `upstream` over HTTP; False for an engine in the process."""
    says_what_is_scripted: ClassVar[bool] = True
    """The answer's text is the scripted one, or the question's for a provider that repeats it."""
    has_key: ClassVar[bool] = True
    """The provider sends `key` to its upstream."""
    has_tools: ClassVar[bool] = True
    has_reasoning: ClassVar[bool] = True
    tells_usage: ClassVar[bool] = True
    keeps_unknown_fields: ClassVar[bool] = True
    skips_malformed: ClassVar[bool] = True
    """Malformed events are left out and counted, instead of ending the stream with an error."""
    makes_embeddings: ClassVar[bool] = False
    """The provider has `embed`, and `script_vectors` says how its upstream tells vectors."""
    lists_upstream_models: ClassVar[bool] = True
    """`models()` asks the upstream."""

    key: ClassVar[str] = "sk-planted-5f1c0ffee"
    """Put it where the provider's options want a key; it must never come out again."""
    model: ClassVar[str] = "fake-model"
    patience: ClassVar[float] = 20.0
    """Seconds after which a test gives up; no speed of a provider is asserted by it."""

    def __init_subclass__(cls) -> None:
        """Leave out the tests of what the class says does not apply."""
        super().__init_subclass__()
        for name in dir(cls):
            wanted = getattr(getattr(cls, name), _NEEDS, ())
            if not all(getattr(cls, attribute) for attribute in wanted):
                setattr(cls, name, None)

    resources: Resources
    """What the application lends; set before `provider` is called, let go after the test."""

    async def provider(self, upstream: FakeUpstream) -> Provider:
        """Return the provider under test, pointed at `upstream.url`."""
        raise NotImplementedError(f"{type(self).__name__} must say how to make its provider")

    def upstream(self, *, refuses: bool) -> FakeUpstream:
        """Return the upstream of one test; one that `refuses` cannot be connected to."""
        return FakeUpstream(refuses=refuses)

    @contextlib.asynccontextmanager
    async def ready(self, *, refuses: bool = False) -> AsyncIterator[tuple[Provider, FakeUpstream]]:
        """Lend a provider and its upstream for one test."""
        async with (
            self.upstream(refuses=refuses) as upstream,
            lent_resources() as self.resources,
            asyncio.timeout(self.patience),
        ):
            provider = await self.provider(upstream)
            try:
                yield provider, upstream
            finally:
                if isinstance(provider, SupportsClose):
                    await provider.close()

    def request(self, text: str = "Hello world", *, more: Mapping[str, Any] | None = None) -> ChatRequest:
        """Return a question; `more` are further fields of its body."""
        body = {"model": self.model, "messages": [{"role": "user", "content": text}], **(more or {})}
        return ChatRequest(body, self.model)

    async def ask(
        self,
        provider: Provider,
        text: str = "Hello world",
        *,
        stream: bool = True,
        more: Mapping[str, Any] | None = None,
    ) -> list[Chunk]:
        """Return all chunks of an answer."""
        async with contextlib.aclosing(provider.chat(self.request(text, more=more), stream=stream)) as chunks:
            return [chunk async for chunk in chunks]

    async def fail(self, provider: Provider, *, stream: bool = True) -> tuple[LlmsError, list[Chunk]]:
        """Return the error that an answer ends with, and the chunks before it; AssertionError when there is none."""
        before: list[Chunk] = []
        async with contextlib.aclosing(provider.chat(self.request(), stream=stream)) as chunks:
            try:
                async for chunk in chunks:
                    before.append(chunk)
            except LlmsError as error:
                return error, before
        raise AssertionError(f"the chat should have failed, but it said {objects_of(before)!r}")

    async def answers_again(self, provider: Provider, upstream: FakeUpstream) -> None:
        """Assert that nothing of what went wrong stays: the next chat works."""
        self.script_text(upstream, "again")
        message = self.fold(await self.ask(provider, "again"))["choices"][0]["message"]
        assert message["content"] == "again", f"after a failure the next answer was {message!r}"

    def fold(self, chunks: Sequence[Chunk]) -> CompletionObject:
        """Return the completion that chunks of either kind make, in the form that clients get."""
        objects = objects_of(chunks)
        if len(objects) == 1 and objects[0].get("object") != "chat.completion.chunk":
            return conform_completion(objects[0], model=self.model, fallback_id="ours", created=1)
        fold = Fold()
        fold.add(self.conformed(chunks))
        return fold.completion()

    def conformed(self, chunks: Sequence[Chunk]) -> list[ChunkObject]:
        """Return the objects that clients get of a stream; AssertionError when it has no finish reason."""
        rules = Conform(model=self.model, fallback_id="ours", created=1, include_usage=True)
        seen = [rules.apply(chunk) for chunk in chunks]
        assert rules.complete, f"the stream ended without a finish reason: {objects_of(chunks)!r}"
        return objects_of([chunk for chunk in (*seen, rules.last()) if chunk is not None])


def objects_of(chunks: Sequence[Chunk]) -> list[ChunkObject]:
    """Return the objects of all chunks."""
    return [item for chunk in chunks for item in chunk.objects]


@contextlib.asynccontextmanager
async def lent_resources() -> AsyncGenerator[Resources, None]:
    """Lend what the application lends: connections, a session without cookies, proxies or timeouts, no environment."""
    held: list[aiohttp.ClientSession] = []

    def session() -> aiohttp.ClientSession:
        if not held:
            timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
            connector = aiohttp.TCPConnector(limit=0)
            held.append(
                aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
            )
        return held[0]

    pool = Pool(clock=time.monotonic)
    try:
        yield Resources(http=session, pool=pool, clock=time.monotonic, now=time.time, environ={})
    finally:
        await pool.close()
        for opened in held:
            await opened.close()
