"""The example of an EventSource, from another origin, over connections that break."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web
from playwright.async_api import expect

from llms.testing.fake_upstream import FakeUpstream, answer, stall, text_stream, wait
from tests.client.fault_proxy import FaultProxy
from tests.docs.markdown import ROOT
from tests.proxy import one_upstream, serving

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

LONG = "Grüße aus Köln 🎈 " * 40


@asynccontextmanager
async def opened(browser: Browser, upstream: FakeUpstream) -> AsyncGenerator[tuple[Page, FaultProxy], None]:
    """Open the example as its comment says, with a proxy between it and the server that breaks connections."""
    application = web.Application()
    application.router.add_static("/", ROOT / "examples")
    runner = web.AppRunner(application)
    await runner.setup()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{sock.getsockname()[1]}"
    more = f'server: {{cors_origins: ["{origin}"]}}\n'
    context = await browser.new_context()
    try:
        await web.SockSite(runner, sock).start()
        async with serving(one_upstream(upstream, more=more)) as proxy, FaultProxy(proxy.port) as faults:
            page = await context.new_page()
            await page.goto(f"{origin}/eventsource_example.html?api={faults.url}&model=m")
            yield page, faults
    finally:
        await context.close()
        await runner.cleanup()


async def test_it_comes_back_by_itself(browser: Browser) -> None:
    async with FakeUpstream() as upstream, opened(browser, upstream) as (page, faults):
        go = asyncio.Event()
        steps = text_stream(LONG).steps
        upstream.script(answer(*steps[:9], wait(go), *steps[9:]))
        await page.get_by_role("button", name="Ask").click()
        await expect(page.locator("#text")).not_to_be_empty()
        faults.drop()
        go.set()
        await expect(page.locator("#state")).to_have_text("done, 1 lost connections", timeout=20_000)
        assert await page.locator("#text").text_content() == LONG
        assert len(upstream.chats) == 1


async def test_it_stops_the_upstream(browser: Browser) -> None:
    async with FakeUpstream() as upstream, opened(browser, upstream) as (page, _):
        upstream.script(text_stream(LONG).first(4).then(stall()))
        await page.get_by_role("button", name="Ask").click()
        await expect(page.locator("#text")).not_to_be_empty()
        await page.get_by_role("button", name="Stop").click()
        await (await upstream.arrived()).gone()
        await expect(page.locator("#state")).to_have_text(re.compile("cancelled"))
