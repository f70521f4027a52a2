"""Chats as files: out of one browser, into another, and out of ChatGPT."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.async_api import expect

from tests.ui.chats import chat, choose, fill, palette, row, setting, sidebar, titles
from tests.ui.conftest import Server, Visit
from tests.ui.talk import answers

if TYPE_CHECKING:
    from playwright.async_api import Page

SOME: Final = (chat("Alpha"), chat("Beta", answer="The needle."), chat("Gamma"))


async def test_export_and_import_bring_everything_back(server: Server, visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    async with visit(server.proxy) as page:
        await fill(page, SOME)
        await choose(page, "Beta", "Move to folder", "New folder")
        await page.keyboard.press("Enter")
        await expect(sidebar(page).locator(".folder li")).to_have_text(["Beta"])
        dialog = await setting(page, "Data")
        async with page.expect_download() as waiting:
            await dialog.get_by_role("button", name="Export", exact=True).click()
        await (await waiting.value).save_as(file)
    async with visit(server.proxy) as page:
        dialog = await setting(page, "Data")
        await dialog.get_by_role("button", name="Import", exact=True).click()
        await choose_file(page, file)
        files = page.get_by_role("dialog", name="Import, Export")
        await expect(files).to_contain_text("3 chats imported.")
        await choose_file(page, file)
        await expect(files).to_contain_text("0 chats imported. 3 were here already.")
        await page.keyboard.press("Escape")
        await expect(sidebar(page).locator(".folder li")).to_have_text(["Beta"])
        await row(page, "Beta").locator("a").click()
        await expect(answers(page)).to_contain_text("The needle.")
        async with page.expect_download() as waiting:
            await choose(page, "Beta", "Export", "As Markdown")
        download = await waiting.value
        assert re.fullmatch(r"beta-[\d-]+\.md", download.suggested_filename)
        await download.save_as(file)
        assert file.read_text() == "# Beta\n\n## You\n\nWhy?\n\n## Assistant (m)\n\nThe needle.\n"


async def choose_file(page: Page, file: Path) -> None:
    """Press the button of the dialog and choose a file."""
    async with page.expect_file_chooser() as waiting:
        await page.get_by_role("button", name="Choose files…").click()
    await (await waiting.value).set_files(file)


async def test_an_export_of_chatgpt_and_what_is_none(page: Page, tmp_path: Path) -> None:
    node = {
        "content": {"content_type": "text", "parts": ["Hello"]},
        "author": {"role": "user"},
        "create_time": 1_700_000_000,
    }
    good, bad = tmp_path / "conversations.json", tmp_path / "notes.json"
    good.write_text(
        json.dumps([{"title": "From there", "mapping": {"a": {"message": node, "parent": None}}, "current_node": "a"}])
    )
    bad.write_text("{")
    await (await palette(page, "import")).get_by_role("option").first.click()
    await choose_file(page, good)
    dialog = page.get_by_role("dialog", name="Import, Export")
    await expect(dialog).to_contain_text("1 chat imported.")
    await choose_file(page, bad)
    await expect(dialog).to_contain_text("notes.json is no export that can be read: it is not JSON")
    await page.keyboard.press("Escape")
    await expect(titles(page)).to_have_text(["From there"])
