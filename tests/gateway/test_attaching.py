"""Links reach a provider that takes bytes as bytes, once, and only where the owner allows it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import pytest

from llms.attachments.fetch import Fetcher
from llms.gateway.attaching import Attaching
from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.errors import UpstreamUnavailable
from llms.protocol.native import Original
from llms.providers import registry
from llms.providers.base import NeedsBytes, ProviderFactory
from llms.providers.echo import Echo, Options
from llms.streaming.deadline import Deadline
from tests.attachments.strange import OUTSIDE, PNG, Names, Site, site
from tests.proxy import Proxy, RawClient, Reply, serving

__all__ = ["Options"]
PICTURE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
ASKED: list[ChatRequest] = []
FAILING: list[str] = []


class Noting(Echo):  # type: ignore[misc]
    """Notes what it was asked; the model `linked` takes links, all others need bytes."""

    def needs_bytes(self, model: str) -> bool:
        if model == "confused":
            raise RuntimeError("no idea")
        return model != "linked"

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        ASKED.append(request)
        if FAILING:
            raise UpstreamUnavailable(FAILING.pop())
        plain = request._replace(body={**request.body, "messages": [{"role": "user", "content": "seen"}]})
        async for chunk in super().chat(plain, stream=stream):
            yield chunk


_: ProviderFactory = Noting
_needs: type[NeedsBytes] = Noting

ROWS = """
providers:
  up: {type: noting, models: [a, b, linked, confused]}
models:
  both: {targets: [up/linked, up/a, up/b]}
"""
ON = "attachments: {fetch: true}\n"


@pytest.fixture
async def outside() -> AsyncGenerator[Site, None]:
    ASKED.clear()
    FAILING.clear()
    async with site(OUTSIDE) as found:
        yield found


@asynccontextmanager
async def proxy_of(text: str) -> AsyncGenerator[Proxy, None]:
    with patch.dict(registry.BUILT_IN, {"noting": f"{__name__}:Noting"}):
        async with serving(text) as proxy:
            fetcher = Fetcher(is_public=lambda address: address == OUTSIDE, resolver=Names)
            proxy.engine.gateway._fetcher = fetcher
            yield proxy


def body(*urls: str, model: str = "up/a", **fields: Any) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {
        "model": model,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, *parts]}],
        **fields,
    }


async def said(proxy: Proxy, asked: dict[str, Any]) -> Reply:
    client = await RawClient.to(proxy)
    try:
        await client.send(asked)
        return await client.reply()
    finally:
        client.close()


def seen(request: ChatRequest) -> list[str]:
    return [part["image_url"]["url"] for part in request.body["messages"][0]["content"][1:]]


@pytest.mark.parametrize("stream", [True, False])
async def test_bytes_come_in_place_of_links(outside: Site, stream: bool) -> None:
    url = outside.body("/cat", PNG)
    async with proxy_of(ROWS + ON) as proxy:
        reply = await said(proxy, body(url, PICTURE, stream=stream, x_kept=1, padding="x" * 20_000))

    assert reply.status == 200, reply.body
    assert seen(ASKED[0]) == [PICTURE, PICTURE]
    assert ASKED[0].body["x_kept"] == 1
    assert b"data:image/png" in ASKED[0].encode(stream=stream), "what is encoded is the replaced body"
    assert url.encode() not in ASKED[0].encode(stream=stream)


async def test_nothing_is_fetched_unless_it_is_allowed(outside: Site) -> None:
    url = outside.body("/cat", PNG)
    async with proxy_of(ROWS) as proxy:
        reply = await said(proxy, body(PICTURE, url))
        fine = await said(proxy, body(PICTURE))

    assert (reply.status, reply.error["code"]) == (400, "invalid_request")
    assert reply.error["param"] == "messages[0].content[2].image_url.url"
    assert "attachments.fetch" in reply.error["message"]
    assert fine.status == 200
    assert outside.seen == []
    assert len(ASKED) == 1


async def test_a_provider_that_takes_links_gets_them(outside: Site) -> None:
    url = outside.body("/cat", PNG)
    async with proxy_of(ROWS + ON) as proxy:
        assert (await said(proxy, body(url, model="up/linked"))).status == 200
        assert (await said(proxy, body(url, model="up/confused"))).status == 200

    assert [seen(request) for request in ASKED] == [[url], [url]]
    assert outside.seen == []


async def test_each_target_gets_its_own_form_and_the_link_is_fetched_once(outside: Site) -> None:
    url = outside.body("/cat", PNG)
    FAILING.extend(["second", "first"])
    async with proxy_of(ROWS + ON) as proxy:
        reply = await said(proxy, body(url, model="both"))

    assert reply.status == 200, reply.body
    assert [seen(request) for request in ASKED] == [[url], [PICTURE], [PICTURE]]
    assert len(outside.seen) == 1


async def test_a_link_that_leads_inside_is_the_clients_mistake(outside: Site) -> None:
    async with proxy_of(ROWS + ON) as proxy:
        reply = await said(proxy, body("http://169.254.169.254/latest/meta-data/"))
        again = await said(proxy, body(PICTURE))

    assert (reply.status, reply.error["param"]) == (400, "messages[0].content[1].image_url.url")
    assert "169.254" not in reply.error["message"]
    assert again.status == 200, "a wrong link is no failure of the provider"


async def test_a_client_that_leaves_ends_the_fetching(outside: Site) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def hang(request: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    outside.answers["/slow"] = hang
    async with proxy_of(ROWS + ON) as proxy:
        client = await RawClient.to(proxy)
        await client.send(body(outside.url("/slow"), stream=True))
        async with asyncio.timeout(10):
            await begun.wait()
            client.reset()
            [ended] = await proxy.all_ended(1)
            await left.wait()

    assert ended.outcome == "cancelled"
    assert ASKED == []


async def test_the_total_of_a_request_bounds_the_fetching_too(outside: Site) -> None:
    async def hang(request: Any) -> Any:
        await asyncio.Event().wait()

    outside.answers["/slow"] = hang
    async with proxy_of(ROWS + ON + "defaults: {timeouts: {total: 300ms}}\n") as proxy:
        reply = await said(proxy, body(outside.url("/slow")))

    assert (reply.status, reply.error["code"]) == (504, "upstream_timeout")


async def test_the_clients_own_dialect_is_given_up_for_bytes(outside: Site) -> None:
    url = outside.body("/cat", PNG)
    asked = body(url)
    request = ChatRequest(asked, "a", raw=b"{}", original=Original("messages", {"messages": []}))
    async with proxy_of(ROWS + ON) as proxy:
        fleet = proxy.engine.gateway.fleet
        attaching = Attaching(request, proxy.engine.gateway._fetcher)
        deadline = Deadline(proxy.engine.gateway.ticker, total=60)
        found = await attaching.request_for(fleet.members["up"], "a", fleet, deadline)
        deadline.close()

    assert seen(found) == [PICTURE]
    assert (found.raw, found.original) == (None, None), "both hold the link"
    assert request.body == asked
