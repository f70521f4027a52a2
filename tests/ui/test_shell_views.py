"""What opens over the chat: models, everything by keyboard, the sheet of keys; and that all can use it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.async_api import expect

from tests.ui.chats import chat, fill, palette, row, sidebar, titles
from tests.ui.conftest import PHONE, Axe, Visit
from tests.ui.many_models import many_models, pick, tell_usage
from tests.ui.talk import answers, ask, field

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

SOME: Final = (chat("Alpha"), chat("Beta", answer="The needle."), chat("Gamma"))


def model(page: Page, name: str) -> Locator:
    """Return one model of the open list."""
    return page.locator(f'.picker [data-model="{name}"]')


async def test_models_are_searched_and_chosen_for_one_chat(visit: Visit) -> None:
    async with many_models() as (proxy, upstream), visit(proxy) as page:
        button = page.get_by_test_id("model-picker")
        await button.click()
        await expect(page.locator(".picker .palette-group")).to_have_text(["Names of this server", "up"])
        await expect(model(page, "up/big")).to_contain_text("400K context · $1.25 in, $10.00 out per million")
        await expect(model(page, "up/small")).to_contain_text("8.2K context · Q4_K_M · 98 MB")
        await expect(model(page, "up/small").locator(".badge")).to_have_text("demo")
        await expect(model(page, "up/vectors")).to_have_count(0)
        await expect(page.locator(".picker")).to_contain_text("away")
        await pick(page, "sma")
        await expect(button).to_contain_text("small")
        await ask(page, "Hello")
        assert upstream.chats[0].json["model"] == "small"
        await page.keyboard.press("Control+Shift+M")
        await pick(page, "up/big")
        await ask(page, "Again")
        assert upstream.chats[1].json["model"] == "big"
        await page.keyboard.press("Control+Shift+O")
        await expect(button).to_contain_text("small")
        await row(page, "Hello").locator("a").click()
        await expect(button).to_contain_text("big")


async def test_favourites_stand_first_and_are_kept(visit: Visit) -> None:
    async with many_models() as (proxy, _), visit(proxy) as page:
        await page.get_by_test_id("model-picker").click()
        await page.get_by_label("Search models").fill("heard")
        await expect(page.locator(".picker [role=option]")).to_have_count(1)
        await page.keyboard.press("Alt+f")
        await model(page, "up/heard").first.wait_for()
        await page.reload()
        await page.get_by_test_id("model-picker").click()
        group = page.get_by_role("group", name="Favourites")
        await expect(group.get_by_role("option")).to_have_count(1)
        await group.locator(".model-star").click()
        await expect(group).to_have_count(0)
        await page.keyboard.press("Escape")
        await expect(page.get_by_test_id("model-picker")).to_be_focused()


async def test_the_palette_finds_commands_chats_models_and_settings(visit: Visit) -> None:
    async with many_models() as (proxy, _), visit(proxy) as page:
        await fill(page, SOME)
        dialog = await palette(page)
        await expect(dialog.get_by_role("group", name="Chats").get_by_role("option")).to_have_count(3)
        options = dialog.get_by_role("option")
        box = dialog.get_by_role("combobox")
        await box.fill("needle")
        await expect(options).to_have_count(1)
        await expect(options).to_contain_text("The needle.")
        await page.keyboard.press("Enter")
        await expect(answers(page)).to_contain_text("The needle.")
        await (await palette(page, "temperature")).get_by_role("option").first.click()
        await expect(page.get_by_role("tab", name="Model", exact=True)).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("Escape")
        await palette(page, "heard")
        await expect(options).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("model-picker")).to_contain_text("heard")
        await palette(page, "theme: d")
        await expect(options).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await palette(page, "zzz")
        await expect(dialog).to_contain_text("Nothing found")


async def test_the_palette_acts_on_the_open_chat(page: Page) -> None:
    await fill(page, SOME)
    await row(page, "Beta").locator("a").click()
    await expect(answers(page)).to_have_count(1)
    for words, name in (("pin", "Pin"), ("archive", "Archive")):
        await (await palette(page, words)).get_by_role("option", name=name, exact=True).click()
    await expect(titles(page)).to_have_text(["Alpha", "Gamma"])
    await (await palette(page, "delete")).get_by_role("option", name="Delete chat").click()
    await expect(page.get_by_role("button", name="Undo")).to_be_visible()
    await (await palette(page, "new folder")).get_by_role("option").first.click()
    await expect(sidebar(page).get_by_label("Name of the folder")).to_be_focused()
    await page.keyboard.press("Escape")
    await (await palette(page, "select several")).get_by_role("option").first.click()
    await expect(page.get_by_role("toolbar", name="0 selected")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("toolbar")).to_have_count(0)
    await (await palette(page, "usage")).get_by_role("option", name="Usage").click()
    await expect(page).to_have_url(re.compile("#/usage$"))


async def test_the_sheet_of_keys(page: Page) -> None:
    await page.keyboard.press("Control+/")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog.locator("dt")).to_contain_text(["Everything: commands and chats", "New chat"])
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await page.keyboard.press("Shift+Escape")
    await expect(field(page)).to_be_focused()


async def usable(page: Page, axe: Axe) -> None:
    """Look for faults once what was opened is drawn, what comes into view by scrolling too."""
    await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    await axe(page)


async def surface(page: Page, name: str, **details: str) -> None:
    """Open a dialog as any control would."""
    await page.evaluate(
        "async ([name, details]) => (await load('components/shell.mjs')).openSurface(name, details)", [name, details]
    )
    await expect(page.locator("dialog[open]")).to_be_visible()


LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {},
    "dark": {"scheme": "dark"},
    "rtl": {"settings": {"language": "ar"}},
    "phone": {"size": PHONE, "touch": True, "settings": {"language": "de"}},
}


@pytest.mark.parametrize("look", LOOKS)
async def test_everybody_can_use_all_of_it(visit: Visit, axe: Axe, look: str) -> None:
    """No serious fault of accessibility, no violation of the policy, nothing off-origin, in any view."""
    async with many_models() as (proxy, _), visit(proxy, **LOOKS[look]) as page:
        await fill(page, SOME)
        await page.route(re.compile(r"//[^/]+/api/(usage|requests|analytics)"), tell_usage)
        await page.evaluate(
            "async () => store.updateThread('id-Beta', { folder: (await store.createFolder('Work')).id })"
        )
        await usable(page, axe)
        for section in (
            "general",
            "appearance",
            "model",
            "presets",
            "providers",
            "local",
            "data",
            "shortcuts",
            "about",
        ):
            await surface(page, "settings", section=section)
            await expect(page.locator(".settings-panel > *").first).to_be_visible()
            await usable(page, axe)
            await page.keyboard.press("Escape")
            await expect(page.locator("dialog")).to_have_count(0)
        for name in ("palette", "shortcuts", "pull", "files", "thread"):
            await surface(page, name)
            await usable(page, axe)
            await page.keyboard.press("Escape")
            await expect(page.locator("dialog")).to_have_count(0)
        await page.get_by_test_id("model-picker").click()
        await expect(page.locator(".picker [role=option]").first).to_be_visible()
        await usable(page, axe)
        await page.keyboard.press("Escape")
        await page.evaluate("async () => (await load('components/shell.mjs')).toggleSelected('id-Alpha')")
        if look == "phone":
            await page.locator(".topbar .icon-button").first.click()
        await expect(page.get_by_role("toolbar")).to_be_visible()
        await usable(page, axe)
        for place in ("#/usage", "#/compare", "#/chat/id-Alpha"):
            await page.evaluate("(place) => { location.hash = place; }", place)
            await expect(page.locator(".stat-value, .compare-column, .assistant-message").first).to_be_visible()
            await usable(page, axe)
