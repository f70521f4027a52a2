"""The stream client in a real browser, against the real server."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any, Final

import pytest_asyncio
from playwright.async_api import Page, Route

from llms.testing.fake_upstream import cut, stall, text_stream
from tests.ui.conftest import Server, Visit
from tests.ui.empty_page import empty_page

ASK: Final = """async (facts) => {
  const {chatWithModelStream} = await import(ui + 'streaming.mjs');
  const texts = [], states = [];
  const controller = new AbortController();
  const onChunk = (text) => {
    if (text) texts.push(text);
    if (texts.length === facts.stopAfter) controller.abort();
  };
  const options = {signal: controller.signal, environment: {random: () => 0}};
  const request = {model: 'm', messages: [{role: 'user', content: 'hi'}], ...facts.request};
  try {
    const completion = await chatWithModelStream(request, onChunk, (_, {state}) => states.push(state), options);
    return {texts, states, content: completion.choices[0].message.content, usage: completion.usage ?? null};
  } catch ({type, status, code, text, message}) {
    return {texts, states, error: {type, status, code, text, message}};
  }
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def blank(server: Server, visit: Visit) -> AsyncGenerator[Page, None]:
    """Open a page of the server that runs nothing; refused requests are expected to be noted by the browser."""
    async with empty_page(server, visit, expect=["Failed to load resource"]) as page:
        yield page


async def ask(page: Page, **facts: Any) -> dict[str, Any]:
    """Ask the model `m`; what came of it."""
    outcome: dict[str, Any] = await page.evaluate(ASK, facts)
    return outcome


async def test_an_answer_with_its_usage(blank: Page, server: Server) -> None:
    server.upstream.script(text_stream("Hello streaming world"))
    outcome = await ask(blank)
    assert outcome["content"] == "Hello streaming world"
    assert "".join(outcome["texts"]) == "Hello streaming world"
    assert outcome["usage"]["completion_tokens"] > 0


async def test_without_streaming_it_is_one_piece(blank: Page) -> None:
    outcome = await ask(blank, request={"stream": False})
    assert outcome["texts"] == ["Hello world"]


async def test_a_cut_answer_is_an_error_that_keeps_the_text(blank: Page, server: Server) -> None:
    server.upstream.script(text_stream("one two three four five six").first(4).then(cut()))
    outcome = await ask(blank)
    failed = outcome["error"]
    assert failed["code"] == "upstream_truncated"
    assert failed["type"] == "NETWORK"
    assert failed["text"] == "".join(outcome["texts"]) != ""
    assert [seen.method for seen in server.upstream.requests].count("POST") == 1


async def test_an_unknown_model_is_refused_at_once(blank: Page, server: Server) -> None:
    outcome = await ask(blank, request={"model": "nosuch"})
    assert outcome["error"]["status"] == 404
    assert outcome["error"]["code"] == "model_not_found"
    assert outcome["states"] == ["connecting"]


async def test_a_lost_connection_is_tried_again(blank: Page, server: Server) -> None:
    lost: list[str] = []

    async def lose_two(route: Route) -> None:
        lost.append(route.request.url)
        await (route.abort("connectionreset") if len(lost) <= 2 else route.continue_())

    await blank.route("**/v1/chat/completions", lose_two)
    server.upstream.script(text_stream("at last"))
    outcome = await ask(blank)
    assert outcome["content"] == "at last"
    assert outcome["states"][:5] == ["connecting", "retrying", "connecting", "retrying", "connecting"]


async def test_stop_ends_the_work_upstream(blank: Page, server: Server) -> None:
    server.upstream.script(text_stream("one two three four").first(3).then(stall()))
    outcome = await ask(blank, stopAfter=1)
    stopped = time.monotonic()
    assert outcome["error"]["type"] == "CANCELLED"
    assert outcome["error"]["text"].startswith("one")
    seen = await server.upstream.arrived()
    assert await seen.gone() - stopped < 1.0
