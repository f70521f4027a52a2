"""Chats put into the page's own store, for tests of what surrounds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

STORE: Final = """async () => {
  const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
  globalThis.load = (path) => import(imports.idb.replace("vendor/idb.mjs", "") + path);
  globalThis.store = (await load("threadStore.mjs")).useThreadStore();
  await store.ready;
}"""
FILL: Final = """async (chats) => {
  const threads = chats.map(({ id, title, question, answer, at, ...rest }) => ({
    id, title, createdAt: at, updatedAt: at, ...rest,
    messages: [
      { id: "q", parentId: null, role: "user", parts: [{ type: "text", text: question }] },
      { id: "a", parentId: "q", role: "assistant", model: "m", parts: [{ type: "text", text: answer }] },
    ],
  }));
  await store.importThreads(new File([JSON.stringify({ format: "llms-threads", version: 1, threads })], "x.json"));
}"""
NOW: Final = 1_795_000_000_000
"""Milliseconds since 1970; the same for all, so that only their order tells chats apart."""


def chat(title: str, *, question: str = "Why?", answer: str = "Because.", **rest: Any) -> dict[str, Any]:
    """Return one chat for `fill`; of the rest, `at` is the time in milliseconds."""
    return {"id": f"id-{title}", "title": title, "question": question, "answer": answer, **rest}


async def fill(page: Page, chats: Iterable[Mapping[str, Any]]) -> None:
    """Put chats into the store, where the page shows them at once, in this order."""
    await page.evaluate(STORE)
    await page.evaluate(FILL, [{"at": NOW - place, **each} for place, each in enumerate(chats)])


def sidebar(page: Page) -> Locator:
    """Return what stands at the side."""
    return page.get_by_role("complementary", name="Chats")


def titles(page: Page) -> Locator:
    """Return the titles of the chats in the order of the list."""
    return sidebar(page).locator("li .thread-title")


def row(page: Page, title: str) -> Locator:
    """Return the row of one chat."""
    return sidebar(page).locator(".thread").filter(has_text=title)


async def choose(page: Page, title: str, *items: str) -> None:
    """Open the menu of one chat and choose from it, and from the menus that follow."""
    await row(page, title).hover()
    await row(page, title).locator(".thread-menu").click()
    for item in items:
        await page.get_by_role("menuitem", name=item, exact=True).click()


async def setting(page: Page, section: str) -> Locator:
    """Open a section of the settings; return the dialog."""
    dialog = page.get_by_test_id("settings-dialog")
    if not await dialog.count():
        await page.get_by_test_id("settings-button").click()
    await dialog.get_by_role("tab", name=section, exact=True).click()
    await expect(dialog.get_by_role("tab", name=section, exact=True)).to_have_attribute("aria-selected", "true")
    return dialog


async def palette(page: Page, query: str = "") -> Locator:
    """Open the palette and type into it; return the dialog."""
    await page.keyboard.press("Control+k")
    dialog = page.get_by_role("dialog", name="Everything")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("combobox").fill(query)
    return dialog
