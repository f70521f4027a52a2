"""The shell around the chat: the list of chats and what is done with them, by mouse and by keyboard."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from llms.testing.fake_upstream import text_stream
from tests.ui.chats import STORE, chat, choose, fill, row, sidebar, titles
from tests.ui.conftest import PHONE, Server, Visit
from tests.ui.talk import REFUSED, complete, field, held, send

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, Route

PATIENCE: Final = 20_000
"""Milliseconds for a thousand of something on a busy machine."""
SOME: Final = (chat("Alpha"), chat("Beta", answer="The **needle** lies in the hay."), chat("Gamma"))


async def reloaded(page: Page) -> None:
    """Load the page again; what is awaited afterwards was kept."""
    await page.reload()
    await page.evaluate(STORE)


async def edges(element: Locator) -> tuple[float, float]:
    """Return where something begins and ends, in pixels from the left."""
    box = await element.bounding_box()
    assert box is not None
    return box["x"], box["x"] + box["width"]


async def test_a_chat_is_renamed_where_it_stands(page: Page) -> None:
    await fill(page, SOME)
    await choose(page, "Beta", "Rename")
    name = sidebar(page).get_by_label("Rename chat")
    await expect(name).to_be_focused()
    await name.fill("Delta")
    await name.press("Enter")
    await expect(row(page, "Delta").locator("a")).to_be_focused()
    await row(page, "Gamma").locator("a").focus()
    await page.keyboard.press("F2")
    await name.fill("Never")
    await name.press("Escape")
    await reloaded(page)
    await expect(titles(page)).to_have_text(["Alpha", "Delta", "Gamma"])


async def test_the_title_above_the_chat_is_its_name_too(page: Page) -> None:
    await fill(page, SOME)
    await row(page, "Alpha").locator("a").click()
    await page.locator(".topbar").get_by_role("button", name="Alpha").click()
    await page.locator(".topbar").get_by_label("Rename chat").fill("Omega")
    await page.keyboard.press("Enter")
    await expect(row(page, "Omega")).to_have_attribute("data-current", "true")


async def test_pinned_chats_stand_first_and_archived_ones_apart(page: Page) -> None:
    await fill(page, SOME)
    await choose(page, "Gamma", "Pin")
    await expect(sidebar(page).get_by_role("region", name="Pinned").locator(".thread")).to_have_count(1)
    await choose(page, "Beta", "Archive")
    await expect(titles(page)).to_have_text(["Gamma", "Alpha"])
    await reloaded(page)
    await expect(titles(page)).to_have_text(["Gamma", "Alpha"])
    await sidebar(page).get_by_role("button", name="Archive").click()
    await expect(titles(page)).to_have_text(["Beta"])
    await choose(page, "Beta", "Bring back")
    await sidebar(page).get_by_role("button", name="Archive").first.click()
    await expect(titles(page)).to_have_text(["Gamma", "Alpha", "Beta"])


async def test_folders_by_menu_and_by_drawing(page: Page) -> None:
    await fill(page, SOME)
    await choose(page, "Beta", "Move to folder", "New folder")
    await sidebar(page).get_by_label("Name of the folder").fill("Work")
    await page.keyboard.press("Enter")
    folder = sidebar(page).locator(".folder").filter(has_text="Work")
    await expect(folder.locator("li")).to_have_text(["Beta"])
    await row(page, "Gamma").drag_to(folder)
    await expect(folder.locator("li")).to_have_text(["Beta", "Gamma"])
    await folder.locator("li").filter(has_text="Beta").drag_to(sidebar(page).locator(".loose"))
    await expect(folder.locator("li")).to_have_text(["Gamma"])
    await reloaded(page)
    await expect(folder.locator("li")).to_have_text(["Gamma"])
    await folder.get_by_role("button", name="Work").first.press("ArrowLeft")
    await expect(folder.locator("li")).to_have_count(0)
    await reloaded(page)
    await expect(folder.get_by_role("button", name="Work").first).to_have_attribute("aria-expanded", "false")
    await folder.get_by_role("button", name="Work").first.press("Delete")
    await expect(titles(page)).to_have_text(["Alpha", "Beta", "Gamma"])
    await page.get_by_role("button", name="Undo").click()
    await expect(folder).to_be_visible()


async def test_several_are_deleted_and_come_back(page: Page) -> None:
    await fill(page, [*SOME, chat("Delta"), chat("Epsilon")])
    await choose(page, "Alpha", "Select several")
    await row(page, "Delta").locator("input").click(modifiers=["Shift"])
    bar = page.get_by_role("toolbar")
    await expect(bar).to_have_attribute("aria-label", "4 selected")
    await row(page, "Beta").locator("input").uncheck()
    await bar.get_by_role("button", name="Delete").click()
    await expect(titles(page)).to_have_text(["Beta", "Epsilon"])
    await expect(bar).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(titles(page)).to_have_count(5)
    await reloaded(page)
    await expect(titles(page)).to_have_count(5)


async def test_one_is_deleted_by_key_and_comes_back_with_its_messages(page: Page) -> None:
    await fill(page, SOME)
    await row(page, "Alpha").locator("a").click()
    await expect(field(page)).to_be_focused()
    await row(page, "Beta").locator("a").press("Delete")
    await expect(titles(page)).to_have_text(["Alpha", "Gamma"])
    await expect(row(page, "Gamma").locator("a")).to_be_focused()
    await row(page, "Alpha").locator("a").press("Delete")
    await expect(page).to_have_url(re.compile(r"#/$"))
    await page.get_by_role("button", name="Undo").last.click()
    await page.get_by_role("button", name="Undo").click()
    await row(page, "Beta").locator("a").click()
    await expect(page.locator(".assistant-message")).to_contain_text("needle")


async def test_search_finds_titles_and_texts_and_marks_them(page: Page) -> None:
    await fill(page, SOME)
    search = sidebar(page).get_by_role("searchbox")
    await search.fill("gam")
    await expect(titles(page)).to_have_text(["Gamma"])
    await expect(titles(page).locator("mark")).to_have_text("Gam")
    await search.fill("needle")
    await expect(titles(page)).to_have_text(["Beta"])
    await expect(sidebar(page).locator(".thread-snippet mark")).to_have_text("needle")
    await search.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator(".assistant-message")).to_be_focused()
    await expect(page).to_have_url(re.compile(r"#/chat/[^/]+$"))
    await search.fill("nowhere")
    await expect(sidebar(page)).to_contain_text("No chat matches “nowhere”.")
    await search.press("Escape")
    await expect(titles(page)).to_have_count(3)


async def test_what_is_found_in_another_branch_is_shown(page: Page) -> None:
    await fill(page, SOME)
    await page.evaluate(
        """async () => {
          const { id } = store.threads.value.find(({ title }) => title === "Alpha");
          const question = (await store.getMessages(id)).find(({ role }) => role === "user");
          await store.addMessage(id, { role: "assistant", parentId: question.id, model: "m", parts: "Another ending" });
        }"""
    )
    await sidebar(page).get_by_role("searchbox").fill("because")
    await row(page, "Alpha").locator("a").click()
    await expect(page.locator(".assistant-message")).to_have_text(re.compile("Because"))


async def test_arrows_walk_through_the_list_that_tab_enters_once(page: Page) -> None:
    await fill(page, SOME)
    await expect(titles(page)).to_have_text(["Alpha", "Beta", "Gamma"])
    await sidebar(page).get_by_role("searchbox").focus()
    await page.keyboard.press("Tab")
    await expect(row(page, "Alpha").locator("a")).to_be_focused()
    await page.keyboard.press("End")
    await expect(row(page, "Gamma").locator("a")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(row(page, "Beta").locator("a")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(sidebar(page).get_by_role("link", name="Usage")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(row(page, "Beta").locator("a")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".user-message")).to_be_visible()
    await page.keyboard.press("Alt+ArrowDown")
    await expect(row(page, "Gamma")).to_have_attribute("data-current", "true")


async def test_a_chat_that_is_answered_shows_it(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream("Once upon a time"), 3, gate))
    await send(page, "A tale")
    dot = row(page, "A tale").get_by_role("img", name="An answer is being written")
    await expect(dot).to_be_visible()
    await page.keyboard.press("Control+Shift+O")
    await expect(page.get_by_role("heading", name="What are you working on?")).to_be_visible()
    await expect(dot).to_be_visible()
    gate.set()
    await expect(dot).to_have_count(0)
    await row(page, "A tale").locator("a").click()
    await complete(page)


async def test_the_sidebar_is_closed_and_made_wider_for_good(page: Page) -> None:
    edge = page.get_by_role("separator", name="Width of the sidebar")
    await edge.focus()
    for _ in range(3):
        await page.keyboard.press("ArrowRight")
    await expect(edge).to_have_attribute("aria-valuenow", "328")
    await page.reload()
    assert await edges(sidebar(page)) == (0, 328)
    await page.keyboard.press("Control+b")
    await expect(sidebar(page)).to_be_hidden()
    await page.reload()
    await expect(page.get_by_test_id("chat-input")).to_be_visible()
    await expect(sidebar(page)).to_be_hidden()
    await page.get_by_role("button", name="Open sidebar").click()
    await expect(sidebar(page)).to_be_visible()


async def test_on_a_phone_the_sidebar_is_a_drawer(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, size=PHONE, touch=True) as page:
        await fill(page, SOME)
        await expect(sidebar(page)).to_be_hidden()
        await page.get_by_role("button", name="Open sidebar").click()
        await row(page, "Beta").locator("a").click()
        await expect(sidebar(page)).to_be_hidden()
        await expect(page.locator(".assistant-message")).to_contain_text("needle")
        await page.get_by_role("button", name="Open sidebar").click()
        await page.keyboard.press("Escape")
        await expect(sidebar(page)).to_be_hidden()


@pytest.mark.parametrize("language", ["de", "ar"])
async def test_the_list_speaks_the_language_of_the_page(server: Server, visit: Visit, language: str) -> None:
    words = {"de": ("Neuer Chat", "Umbenennen"), "ar": ("محادثة جديدة", "إعادة تسمية")}[language]
    async with visit(server.proxy, settings={"language": language}) as page:
        await fill(page, SOME)
        side = page.locator("#sidebar")
        await expect(side.get_by_role("link", name=words[0])).to_be_visible()
        await side.locator(".thread").first.hover()
        await side.locator(".thread-menu").first.click()
        await expect(page.get_by_role("menuitem", name=words[1])).to_be_visible()
        assert ((await edges(side))[0] == 0) is (language == "de")


async def test_a_page_of_an_older_server_says_that_it_is_old(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, expect=[REFUSED]) as page:
        await expect(field(page)).to_be_visible()

        async def gone(route: Route) -> None:
            await route.fulfill(status=404, body="")

        async def newer(route: Route) -> None:
            await route.fulfill(body='<link href="/ui/another-build/css/all.css">', content_type="text/html")

        await page.route("**/components/Surfaces.mjs", gone)
        await page.route(re.compile(r"^[^/]+//[^/]+/$"), newer)
        await page.get_by_test_id("settings-button").click()
        notice = page.get_by_role("alert").filter(has_text="The server was updated.")
        await expect(notice.get_by_role("button", name="Reload")).to_be_visible()


async def test_a_thousand_chats_are_listed_and_searched_at_once(page: Page) -> None:
    many = [
        chat(f"Chat {n}", answer=f"Answer {n}" + " needle" * (n == 500), at=1_700_000_000_000 + n) for n in range(1000)
    ]
    await fill(page, many)
    await reloaded(page)
    await expect(titles(page)).to_have_count(1000, timeout=PATIENCE)
    await sidebar(page).get_by_role("searchbox").fill("needle")
    await expect(titles(page)).to_have_text(["Chat 500"], timeout=PATIENCE)
    await row(page, "Chat 500").locator("a").click()
    await sidebar(page).get_by_role("searchbox").fill("")
    await expect(titles(page)).to_have_count(1000, timeout=PATIENCE)
    await expect(page.locator(".assistant-message")).to_contain_text("needle")
