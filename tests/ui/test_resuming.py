"""Answers that outlive what breaks: a reload, a lost network, a closed tab, a server that stops."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import expect

from llms.testing.fake_upstream import FakeUpstream, reply, text_stream
from tests.fault_proxy import FaultProxy
from tests.proxy import Proxy, one_upstream, serving
from tests.ui.conftest import Axe, Server, Visit
from tests.ui.talk import REFUSED, act, answers, complete, held, send

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

TALE = "Once upon a time there was a stream that did not end before it was told to do so."
BEGUN = "Once upon a time"
BROKEN = f"{REFUSED}|ERR_"


class Network(FaultProxy):
    """What lies between the page and its server, and breaks."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self._open: set[asyncio.StreamWriter] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        self._open.add(writer)
        await super().take(reader, writer)
        self._open.discard(writer)

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._open:
            writer.transport.abort()


@asynccontextmanager
async def network(target: int) -> AsyncGenerator[Network, None]:
    """Stand before a server."""
    made = Network(target)
    listening = await asyncio.start_server(made.take, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.cut()
        listening.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def offline(page: Page) -> AsyncGenerator[None, None]:
    """Take the network away for a while."""
    await page.context.set_offline(True)
    yield
    await page.context.set_offline(False)


def said(page: Page) -> Locator:
    """Return the texts of all answers that are shown."""
    return answers(page).locator(".markdown")


def status(page: Page) -> Locator:
    """Return the line below an answer that tells what goes on."""
    return answers(page).locator(".status-line")


async def begin(page: Page, server: Server, *, after: int = 5) -> asyncio.Event:
    """Have an answer begun that waits after some words; return what lets it go on."""
    gate = asyncio.Event()
    server.upstream.script(held(text_stream(TALE), after, gate))
    await send(page, "Tell me")
    await expect(said(page)).to_have_text(" ".join(TALE.split()[: after - 1]))
    return gate


async def watch(page: Page) -> None:
    """Note from now on, and after each reload, every time that the text of an answer gets shorter."""
    source = """() => {
      window.longest = "";
      const look = () => {
        const text = document.querySelector(".assistant-message .markdown")?.textContent.trim() ?? "";
        if (!text.startsWith(window.longest)) (window.lost ??= []).push([window.longest, text]);
        window.longest = text;
      };
      new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
      look();
    }"""
    await page.add_init_script(f"({source})()")
    await page.evaluate(source)


async def nothing_disappeared(page: Page) -> None:
    assert await page.evaluate("window.lost ?? []") == []
    assert await page.evaluate("window.longest") == (await said(page).text_content() or "").strip()


async def test_a_reload_loses_nothing(page: Page, server: Server) -> None:
    gate = await begin(page, server)
    await watch(page)
    await page.reload()
    await expect(said(page)).to_have_text(BEGUN)
    await expect(page.get_by_test_id("cancel-button")).to_be_visible()
    gate.set()
    await expect(said(page)).to_have_text(TALE)
    await complete(page)
    await nothing_disappeared(page)
    await expect(answers(page).locator(".usage")).to_contain_text("tokens")
    await expect(answers(page).locator(".error-status")).to_have_count(0)
    await page.reload()
    await expect(said(page)).to_have_text(TALE)
    assert len(server.upstream.chats) == 1
    assert server.upstream.chats[0].json["stream"] is True


async def test_what_was_told_while_no_page_was_open_is_there(page: Page, server: Server) -> None:
    gate = await begin(page, server)
    url = page.url
    later = await page.context.new_page()
    await page.close()
    gate.set()
    await server.proxy.all_ended(1)
    await later.goto(url)
    await expect(said(later)).to_have_text(TALE)
    await complete(later)
    assert len(server.upstream.chats) == 1


async def test_a_network_that_was_gone_is_waited_for(server: Server, visit: Visit) -> None:
    async with (
        network(server.proxy.port) as between,
        visit(Proxy(server.proxy.engine, between.port), expect=[BROKEN]) as page,
    ):
        gate = await begin(page, server)
        await watch(page)
        async with offline(page):
            between.cut()
            await expect(status(page)).to_have_text("Reconnecting…")
            await expect(said(page)).to_have_text(BEGUN)
            gate.set()
            await server.proxy.all_ended(1)
            await asyncio.sleep(5)  # as long as it takes to change trains
        await expect(said(page)).to_have_text(TALE)
        await complete(page)
        await nothing_disappeared(page)
        await expect(page.locator(".toast")).to_have_count(0)
    assert len(server.upstream.chats) == 1


async def test_what_comes_while_the_browser_is_offline_comes_once(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, expect=[BROKEN]) as page:
        gate = await begin(page, server)
        async with offline(page):
            gate.set()
            await server.proxy.all_ended(1)
        await expect(said(page)).to_have_text(TALE)
        await complete(page)


async def test_a_connection_that_breaks_in_every_word_brings_every_word(server: Server, visit: Visit) -> None:
    async with (
        network(server.proxy.port) as between,
        visit(Proxy(server.proxy.engine, between.port), expect=[BROKEN]) as page,
    ):
        words = TALE.split()
        gates = [asyncio.Event() for _ in words]
        answer = text_stream(TALE)
        for at in reversed(range(2, len(words), 5)):
            answer = held(answer, at + 1, gates[at])
        server.upstream.script(answer)
        await send(page, "Tell me")
        for at in range(2, len(words), 5):
            await expect(said(page)).to_have_text(" ".join(words[:at]))
            between.cut()
            gates[at].set()
        await expect(said(page)).to_have_text(TALE)
        await complete(page)
    assert len(server.upstream.chats) == 1


async def test_another_tab_goes_on_where_the_first_is_closed(page: Page, server: Server) -> None:
    gate = await begin(page, server)
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(answers(other)).to_contain_text("written in another tab")
    await page.close()
    await expect(answers(other)).not_to_contain_text("written in another tab")
    await expect(said(other)).to_have_text(BEGUN)
    gate.set()
    await expect(said(other)).to_have_text(TALE)
    await complete(other)


async def test_stop_in_another_tab_reaches_the_upstream(page: Page, server: Server) -> None:
    await begin(page, server)
    seen = await server.upstream.arrived()
    other = await page.context.new_page()
    await other.goto(page.url)
    await other.get_by_test_id("cancel-button").click()
    await seen.gone()
    for each in (page, other):
        await expect(answers(each).locator(".error-status")).to_have_text("canceled")
        await expect(said(each)).to_have_text(BEGUN)


async def test_stop_after_a_reload_reaches_the_upstream(page: Page, server: Server) -> None:
    await begin(page, server)
    seen = await server.upstream.arrived()
    await page.reload()
    await expect(said(page)).to_have_text(BEGUN)
    await page.get_by_test_id("cancel-button").click()
    await seen.gone()
    await expect(answers(page).locator(".error-status")).to_have_text("canceled")


async def goes_on_with(page: Page, upstream: FakeUpstream, rest: str) -> None:
    """Let the person go on from the card."""
    upstream.script(reply(rest))
    await page.locator(".error-card").get_by_role("button", name="Continue from here").click()
    await expect(said(page)).to_have_text(f"{BEGUN}{rest}")
    await complete(page)
    await expect(page.locator(".error-card")).to_have_count(0)


async def test_a_server_that_stops_says_so(page: Page, server: Server) -> None:
    await begin(page, server)
    server.proxy.engine.interrupt()
    card = page.locator(".error-card")
    await expect(card).to_contain_text("The server is being stopped")
    await expect(card).to_contain_text("What came after the text above is missing")
    await expect(card).to_contain_text("The 4 words above were kept")
    await goes_on_with(page, server.upstream, " there was an end.")


async def test_a_server_that_was_started_anew_has_lost_the_rest_and_the_page_says_so(visit: Visit) -> None:
    async with FakeUpstream() as upstream, AsyncExitStack() as running:
        first = await running.enter_async_context(serving(one_upstream(upstream)))
        async with visit(first, expect=[BROKEN]) as page:
            await begin(page, Server(first, upstream))
            await watch(page)
            await running.aclose()
            await expect(status(page)).to_have_text("Reconnecting…")
            async with serving(one_upstream(upstream), port=first.port):
                card = page.locator(".error-card")
                await expect(card).to_contain_text("The rest of this answer is lost", timeout=20_000)
                await expect(card).to_contain_text("What came after the text above is missing")
                await expect(card).to_contain_text("The 4 words above were kept")
                await expect(said(page)).to_have_text(BEGUN)
                await goes_on_with(page, upstream, " there was an end.")
                await nothing_disappeared(page)


async def test_events_that_are_no_longer_kept_are_made_good_by_the_text(visit: Visit) -> None:
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, more="resume: {buffer: 2048}")) as proxy,
        network(proxy.port) as between,
        visit(Proxy(proxy.engine, between.port), expect=[BROKEN]) as page,
    ):
        gate = await begin(page, Server(proxy, upstream))
        async with offline(page):
            between.cut()
            await expect(status(page)).to_have_text("Reconnecting…")
            gate.set()
            await proxy.all_ended(1)
        await expect(said(page)).to_have_text(TALE)
        await complete(page)
        await expect(answers(page).locator(".error-status")).to_have_text("thoughts or tool calls may be missing")


async def test_an_answer_is_followed_on_another_device(page: Page, server: Server, visit: Visit, axe: Axe) -> None:
    gate = await begin(page, server)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await act(answers(page).last, "Copy link to follow on another device")
    link = await page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"/#/stream/stream_[0-9a-f]{32}$", link)
    async with visit(server.proxy, link[link.index("/#") :]) as device:
        await expect(device.locator(".markdown")).to_have_text(BEGUN)
        await axe(device)
        gate.set()
        await expect(device.locator(".markdown")).to_have_text(TALE)
        await expect(device.locator(".assistant-message")).to_contain_text("The answer is complete.")
    await expect(said(page)).to_have_text(TALE)


async def test_a_link_to_an_answer_that_is_no_more_says_so(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, "/#/stream/stream_0", expect=[REFUSED]) as page:
        await expect(page.locator(".error-card")).to_contain_text("The rest of this answer is lost")
