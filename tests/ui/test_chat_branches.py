"""What can be done with messages that are there: answer again, edit, go on, branch off, delete and take it back."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from llms.testing.fake_upstream import reply, text_stream
from tests.ui.conftest import Server, Visit
from tests.ui.talk import act, answers, ask, complete, field, held, questions, send

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page


def said(page: Page) -> Locator:
    """Return the texts of all answers that are shown."""
    return answers(page).locator(".markdown")


async def test_another_answer_stands_beside_the_first(page: Page, server: Server) -> None:
    server.upstream.script(reply("One."), reply("Two."), reply("Three."))
    message = await ask(page, "Count")
    for count in (2, 3):
        await act(message, "Answer again")
        await expect(message.locator(".branch")).to_contain_text(f"{count}/{count}")
        await complete(page)
    await act(message, "Previous version")
    await expect(said(page)).to_have_text("Two.")
    await expect(message.locator(".branch")).to_contain_text("2/3")
    await page.reload()
    await expect(said(page)).to_have_text("Two.")
    await act(message, "Next version")
    await expect(said(page)).to_have_text("Three.")
    assert [seen.json["messages"] for seen in server.upstream.chats] == [[{"role": "user", "content": "Count"}]] * 3


async def test_an_edited_question_is_another_branch(page: Page, server: Server) -> None:
    server.upstream.script(reply("Cats purr."), reply("Dogs bark."))
    await ask(page, "What do cats do?")
    await act(page.locator(".user-message"), "Edit message")
    box = page.get_by_role("textbox", name="Edit message")
    await expect(box).to_be_focused()
    await box.fill("What do dogs do?")
    await page.get_by_role("button", name="Send as a new branch").click()
    await expect(said(page)).to_have_text("Dogs bark.")
    branch = page.locator(".user-message .branch")
    await expect(branch).to_contain_text("2/2")
    await branch.get_by_role("button", name="Previous version").click()
    await expect(questions(page)).to_have_text("What do cats do?")
    await expect(said(page)).to_have_text("Cats purr.")


async def test_escape_leaves_an_edit_alone(page: Page) -> None:
    await ask(page, "Hello")
    await field(page).press("ArrowUp")
    box = page.get_by_role("textbox", name="Edit message")
    await box.fill("Something else")
    await box.press("Escape")
    await expect(questions(page)).to_have_text("Hello")


async def test_a_question_may_be_corrected_without_asking_again(page: Page, server: Server) -> None:
    await ask(page, "Helo")
    await act(page.locator(".user-message"), "Edit message")
    await page.get_by_role("textbox", name="Edit message").fill("Hello")
    await page.get_by_role("button", name="Save in place").click()
    await expect(questions(page)).to_have_text("Hello")
    await expect(said(page)).to_have_text("Hello world")
    assert len(server.upstream.chats) == 1


async def test_an_answer_is_edited_in_place_and_later_turns_stay(page: Page, server: Server) -> None:
    server.upstream.script(reply("The sky is green."), reply("You are welcome."))
    first = await ask(page, "What colour is the sky?")
    await ask(page, "Thank you")
    first = answers(page).first
    await act(first, "Edit message")
    await page.get_by_role("textbox", name="Edit message").fill("The sky is **blue**.")
    await page.get_by_role("button", name="Save in place").click()
    await expect(said(page)).to_have_text(["The sky is blue.", "You are welcome."])
    await expect(first.locator("strong")).to_have_text("blue")
    server.upstream.script(reply("Yes."))
    await ask(page, "Really?")
    assert server.upstream.chats[-1].json["messages"][1]["content"] == "The sky is **blue**."


async def test_a_stopped_answer_goes_on_where_it_stood(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(
        held(text_stream("The first half, the other half"), 4, gate), text_stream("and the second half.")
    )
    await send(page, "Tell me")
    await expect(said(page)).to_have_text("The first half,")
    await page.get_by_test_id("cancel-button").click()
    await complete(page)
    await act(answers(page).last, "Continue this answer")
    await expect(said(page)).to_have_text("The first half, and the second half.")
    await complete(page)
    await expect(answers(page)).to_have_count(1)
    await expect(page.locator(".error-status")).to_have_count(0)


async def test_a_new_chat_may_begin_at_any_message(page: Page, server: Server) -> None:
    server.upstream.script(reply("A1"), reply("A2"), reply("A3"))
    await ask(page, "Q1")
    await ask(page, "Q2")
    origin = page.url
    await act(answers(page).first, "New chat from here")
    await expect(questions(page)).to_have_text(["Q1"])
    assert page.url != origin
    await ask(page, "Q3")
    await expect(said(page)).to_have_text(["A1", "A3"])
    await page.goto(origin)
    await expect(questions(page)).to_have_text(["Q1", "Q2"])


async def test_a_deleted_message_comes_back(page: Page, server: Server) -> None:
    server.upstream.script(reply("A1"), reply("A2"))
    await ask(page, "Q1")
    await ask(page, "Q2")
    await act(answers(page).first, "Delete message")
    await expect(said(page)).to_have_text(["A2"])
    await page.get_by_role("button", name="Undo").click()
    await expect(said(page)).to_have_text(["A1", "A2"])
    await expect(page.locator(".toast")).to_have_count(0)


async def test_what_was_deleted_is_not_sent_any_more(page: Page, server: Server) -> None:
    server.upstream.script(reply("Secret."), reply("Yes?"))
    await ask(page, "Tell me a secret")
    await act(page.locator(".user-message"), "Delete message")
    await act(answers(page).first, "Delete message")
    await expect(page.locator(".turn")).to_have_count(0)
    await ask(page, "Hello")
    assert server.upstream.chats[-1].json["messages"] == [{"role": "user", "content": "Hello"}]


async def test_selected_text_is_quoted(page: Page, server: Server) -> None:
    server.upstream.script(reply("Wise words."))
    message = await ask(page, "Say something")
    await message.locator(".markdown p").click(click_count=3)
    await page.get_by_role("toolbar").get_by_role("button", name="Quote").click()
    await expect(field(page)).to_have_value("> Wise words.\n\n")
    await expect(field(page)).to_be_focused()


async def test_each_chat_has_its_address_and_the_way_back_works(page: Page) -> None:
    await ask(page, "First chat")
    first = page.url
    await page.get_by_role("link", name="New chat").first.click()
    await expect(questions(page)).to_have_count(0)
    await ask(page, "Second chat")
    assert re.search(r"#/chat/[0-9a-f-]{36}$", page.url)
    assert page.url != first
    await page.get_by_role("link", name="First chat").click()
    await expect(questions(page)).to_have_text(["First chat"])
    await expect(page).to_have_title(re.compile("First chat"))
    await page.go_back()
    await expect(questions(page)).to_have_text(["Second chat"])


async def test_the_way_from_chat_to_chat_with_motion(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, still=False) as page:
        await ask(page, "First chat")
        await page.get_by_role("link", name="New chat").first.click()
        await expect(questions(page)).to_have_count(0)
        await ask(page, "Second chat")
        for title in ("First chat", "Second chat"):
            await page.get_by_role("link", name=title).click()
            await expect(questions(page)).to_have_text([title])


async def test_a_chat_that_is_not_there_leads_to_a_new_one(page: Page) -> None:
    await page.goto("/#/chat/00000000-0000-4000-8000-000000000000")
    await expect(page.get_by_role("heading", name="What are you working on?")).to_be_visible()
    await expect(page).to_have_url(re.compile("#/$"))
