"""The views of the web chat that are pictured, in this order; each begins where the one before ended."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from screenshot_chats import library, usage

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

OPEN: Final = """async ([name, details]) => {
  const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
  (await import(imports.idb.replace("vendor/idb.mjs", "components/shell.mjs"))).openSurface(name, details);
}"""
BRING: Final = """async (library) => {
  const { imports } = JSON.parse(document.querySelector("script[type=importmap]").textContent);
  const store = (await import(imports.idb.replace("vendor/idb.mjs", "threadStore.mjs"))).useThreadStore();
  await store.ready;
  await store.importThreads(new File([JSON.stringify(library)], "chats.json"));
}"""


async def empty(page: Page) -> None:
    """Show the chat that has not begun."""
    await page.wait_for_selector(".starter")
    await page.wait_for_load_state("networkidle")


async def streaming(page: Page) -> None:
    """Show an answer while it is written."""
    await ask(page, "/slow Tell me about token buckets.")
    await page.wait_for_selector(".assistant-message .md-code")


async def conversation(page: Page) -> None:
    """Show a chat with one of everything, from its beginning."""
    await page.get_by_test_id("cancel-button").click()
    await page.evaluate(BRING, library())
    await page.goto("/#/chat/t0")
    await page.wait_for_selector(".turn .reasoning")
    await page.locator(".transcript").evaluate("(element) => element.scrollTo(0, 0)")


async def unfolded(page: Page) -> None:
    """Show its thoughts and its calls of tools open."""
    for summary in await page.locator(":is(.reasoning, .tool-call) > summary, .tool-call > details > summary").all():
        await summary.click()


async def bottom(page: Page) -> None:
    """Show its end."""
    await page.locator(".transcript").evaluate("(element) => element.scrollTo(0, element.scrollHeight)")


async def broken(page: Page) -> None:
    """Show an answer that broke off."""
    await page.goto("/#/chat/t4")
    await page.wait_for_selector(".error-card")


async def failed(page: Page) -> None:
    """Show a question that got no answer."""
    await page.goto("/#/")
    await ask(page, "/fail Are you there?")
    await page.wait_for_selector(".failure")


async def sidebar(page: Page) -> None:
    """Show the list of chats with its folders."""
    await page.goto("/#/chat/t0")
    await show_sidebar(page)


async def search(page: Page) -> None:
    """Show what was found in the chats."""
    await page.locator(".sidebar .search input").fill("bucket")
    await page.wait_for_selector(".sidebar .found")


async def models(page: Page) -> None:
    """Show the list of models."""
    await page.locator(".sidebar .search input").fill("")
    await close_drawer(page)
    await page.get_by_test_id("model-picker").click()
    await page.wait_for_selector(".picker [role=option]")


async def palette(page: Page) -> None:
    """Show everything by name."""
    await page.keyboard.press("Escape")
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox").first.fill("th")
    await page.wait_for_selector("dialog [role=option]")


async def settings(page: Page) -> None:
    """Show the settings."""
    await page.keyboard.press("Escape")
    await page.evaluate(OPEN, ["settings", {}])
    await page.wait_for_selector("dialog[open] .settings-panel > *")


async def settings_of(page: Page, section: str) -> None:
    """Show one section of the settings."""
    await page.locator(f"#tab-{section}").click()
    await page.wait_for_selector(f"#tab-{section}[aria-selected=true]")


async def pull(page: Page) -> None:
    """Show the download of models."""
    await page.evaluate(OPEN, ["pull", {}])
    await page.wait_for_selector(".pull-dialog .row")


async def thread_settings(page: Page) -> None:
    """Show the settings of one chat."""
    await page.evaluate(OPEN, ["thread", {}])
    await page.wait_for_selector(".thread-settings .setting, .thread-settings textarea")


async def shortcuts(page: Page) -> None:
    """Show the sheet of keys."""
    await page.evaluate(OPEN, ["shortcuts", {}])
    await page.wait_for_selector("dialog[open] dt")


async def used(page: Page) -> None:
    """Show what was used."""
    await page.keyboard.press("Escape")
    await page.route(re.compile(r"//[^/]+/api/(usage|requests)"), tell_usage)
    await page.goto("/#/usage")
    await page.wait_for_selector(".chart canvas")


async def compare(page: Page) -> None:
    """Show two models beside each other."""
    await page.goto("/#/compare")
    await page.wait_for_selector(".compare-column")
    await page.get_by_test_id("compare-input").fill("Which bucket?")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".compare-column .usage", timeout=30_000)


async def tell_usage(route: Route) -> None:
    """Answer what the usage page asks for."""
    url = route.request.url
    if "/requests" in url:
        return await route.fulfill(json={"object": "list", "data": [], "before": None})
    query = {name: float(value) for name, value in re.findall(r"(from|to|step)=([\d.]+)", url)}
    group = re.search(r"group=(\w+)", url)
    return await route.fulfill(body=json.dumps(usage(query, group[1] if group else "model")))


async def ask(page: Page, text: str) -> None:
    """Send a message."""
    await page.get_by_test_id("chat-input").fill(text)
    await page.get_by_test_id("send-button").click()


async def show_sidebar(page: Page) -> None:
    """Open the drawer of a small screen."""
    if not await page.locator(".sidebar .search input").is_visible():
        await page.locator(".topbar .only-collapsed").first.click()
    await page.locator(".sidebar .search input").wait_for()


async def close_drawer(page: Page) -> None:
    """Close the drawer of a small screen again."""
    await page.keyboard.press("Escape")


def section(name: str) -> Callable[[Page], Awaitable[None]]:
    """Return the view of one section of the settings."""

    async def show(page: Page) -> None:
        await settings_of(page, name)

    return show


VIEWS: Final[dict[str, Callable[[Page], Awaitable[None]]]] = {
    "empty": empty,
    "streaming": streaming,
    "chat": conversation,
    "chat-unfolded": unfolded,
    "chat-end": bottom,
    "error-card": broken,
    "error-no-answer": failed,
    "sidebar": sidebar,
    "search": search,
    "models": models,
    "palette": palette,
    "settings": settings,
    "settings-model": section("model"),
    "settings-appearance": section("appearance"),
    "settings-providers": section("providers"),
    "settings-local": section("local"),
    "settings-data": section("data"),
    "pull": pull,
    "thread-settings": thread_settings,
    "shortcuts": shortcuts,
    "usage": used,
    "compare": compare,
}
