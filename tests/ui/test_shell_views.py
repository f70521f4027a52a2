"""What opens over the chat and beside it: models, everything by keyboard, files, usage, comparing. And that all can use it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.async_api import expect

from llms.testing.fake_upstream import FakeUpstream, reply
from tests.proxy import Proxy, one_upstream, serving
from tests.ui.chats import chat, choose, fill, palette, row, setting, sidebar, titles
from tests.ui.conftest import PHONE, Axe, Server, Visit
from tests.ui.talk import REFUSED, answers, ask, field

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, Route

MODELS: Final[list[dict[str, Any]]] = [
    {"id": "big", "context_length": 400_000, "capabilities": ["chat", "vision", "tools", "reasoning"],
     "pricing": {"prompt": "0.00000125", "completion": "0.00001"}},
    {"id": "small", "context_length": 8192, "capabilities": ["chat"], "quantization": "Q4_K_M", "size_bytes": 98_000_000,
     "state": "loaded", "label": "demo"},
    {"id": "heard", "capabilities": ["chat", "audio"]},
    {"id": "vectors", "capabilities": ["embeddings"]},
]
SOME: Final = (chat("Alpha"), chat("Beta", answer="The needle."), chat("Gamma"))


@asynccontextmanager
async def many_models() -> AsyncGenerator[tuple[Proxy, FakeUpstream], None]:
    """Serve several models of one upstream, and another one that is away."""
    async with FakeUpstream() as upstream, FakeUpstream(refuses=True) as away:
        upstream.models(MODELS)
        more = f'  away: {{type: openai_compatible, base_url: "{away.url}"}}\nmodels:'
        async with serving(one_upstream(upstream).replace("models:", more, 1)) as proxy:
            yield proxy, upstream


async def pick(page: Page, words: str) -> None:
    """Type into the list of models that is opening, and take the one that is found."""
    await page.get_by_label("Search models").fill(words)
    await expect(page.locator(".picker [role=option]")).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.locator(".picker")).to_have_count(0)


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
    node = {"content": {"content_type": "text", "parts": ["Hello"]}, "author": {"role": "user"}, "create_time": 1_700_000_000}
    good, bad = tmp_path / "conversations.json", tmp_path / "notes.json"
    good.write_text(json.dumps([{"title": "From there", "mapping": {"a": {"message": node, "parent": None}}, "current_node": "a"}]))
    bad.write_text("{")
    await (await palette(page, "import")).get_by_role("option").first.click()
    await choose_file(page, good)
    dialog = page.get_by_role("dialog", name="Import, Export")
    await expect(dialog).to_contain_text("1 chat imported.")
    await choose_file(page, bad)
    await expect(dialog).to_contain_text("notes.json is no export that can be read: it is not JSON")
    await page.keyboard.press("Escape")
    await expect(titles(page)).to_have_text(["From there"])


FIGURES: Final = {"requests": 12, "errors": 1, "cancelled": 2, "prompt_tokens": 3000, "completion_tokens": 900, "cached_tokens": 0,
                  "reasoning_tokens": 0, "ttft_p50": 0.25, "ttft_p95": 1.5, "duration_p50": 2.0, "duration_p95": 9.0, "tokens_per_second": 48.5}
REQUEST: Final = {"id": 7, "started": 1_795_000_000, "provider": "up", "model": "big", "asked_model": "big", "outcome": "ok", "error_code": None,
                  "prompt_tokens": 20, "completion_tokens": 40, "ttft": 0.2, "duration": 1.5, "key_id": "ci"}


async def usage(route: Route) -> None:
    """Answer what the usage page asks for."""
    url = route.request.url
    if "/requests" in url:
        live = "/api/requests" in url
        row_ = {**REQUEST, "id": "r1", "state": "writing", "elapsed": 3.2} if live else REQUEST
        return await route.fulfill(json={"object": "list", "data": [row_], "before": None})
    query = {name: float(value) for name, value in re.findall(r"(from|to|step)=([\d.]+)", url)}
    series = [{"time": query["from"] + query["step"] * at, **FIGURES} for at in (2, 5)]
    group = re.search(r"group=(\w+)", url)
    name = {"model": "up/big", "provider": "up", "key": "ci"}[group[1] if group else "model"]
    whole = {"totals": FIGURES, "series": series}
    return await route.fulfill(json={"object": "usage", **query, **whole, "groups": [{"name": name, **whole}], "rest": None})


async def test_usage_is_told_in_numbers_charts_and_tables(visit: Visit) -> None:
    async with many_models() as (proxy, _), visit(proxy) as page:
        await page.route(re.compile(r"//[^/]+/api/(usage|requests)"), usage)
        await sidebar(page).get_by_role("link", name="Usage").click()
        await expect(page.locator(".stat-value")).to_have_text(["12", "3.9K", "$0.013", "250 ms", "48.5"])
        await expect(page.locator(".chart canvas")).to_have_count(3)
        tokens = page.get_by_role("region", name="Tokens").first
        await tokens.locator("summary").click()
        await expect(tokens.locator("tbody tr")).to_have_count(2)
        await expect(tokens.locator("tbody tr").first.locator("td")).to_have_text(["900", "3K"])
        models = page.get_by_role("region", name="By model").first
        await expect(models.locator("tbody th")).to_have_text(["up/big"])
        await page.get_by_role("button", name="Provider").click()
        await expect(page.get_by_role("region", name="By provider").first.locator("tbody th")).to_have_text(["up"])
        await page.get_by_role("button", name="24 hours").click()
        await expect(page.get_by_role("button", name="24 hours")).to_have_attribute("aria-pressed", "true")
        live = page.get_by_role("region", name="At this moment")
        await expect(live).to_contain_text("writing")
        async with page.expect_request(re.compile("/api/requests/r1$")) as waiting:
            await live.get_by_role("button", name="Stop: big").click()
        assert (await waiting.value).method == "DELETE"
        await expect(page.get_by_role("region", name="Latest requests").first).to_contain_text("up/big")


async def test_a_server_without_accounts_says_so(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, "/#/usage", expect=[REFUSED]) as page:
        await expect(page.get_by_text("This server keeps no account of its requests.")).to_be_visible()


async def test_models_are_compared_and_one_is_kept(visit: Visit) -> None:
    async with many_models() as (proxy, upstream), visit(proxy) as page:
        upstream.script(reply("First."), reply("Second."), reply("Third."))
        await page.goto("/#/compare")
        columns = page.locator(".compare-column")
        await expect(columns).to_have_count(2)
        await page.get_by_role("button", name="Add a model").click()
        await pick(page, "small")
        await expect(columns).to_have_count(3)
        await page.get_by_test_id("compare-input").fill("Which?")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Go on with this one")).to_have_count(3)
        await expect(page.get_by_test_id("compare-send")).to_be_visible()
        texts = await columns.locator(".markdown").all_text_contents()
        assert sorted(texts) == ["First.", "Second.", "Third."]
        assert {seen.json["model"] for seen in upstream.chats} == {"real-model", "big", "small"}
        await page.get_by_test_id("compare-input").fill("And why?")
        await page.keyboard.press("Enter")
        await expect(columns.locator(".bubble")).to_have_text(["Which?", "And why?"] * 3)
        await expect(columns.locator(".markdown")).to_have_count(6)
        await columns.nth(2).get_by_role("button", name="Go on with this one").click()
        await expect(page.get_by_test_id("model-picker")).to_contain_text("small")
        await expect(page.locator(".user-message .bubble")).to_have_text(["Which?", "And why?"])
        await expect(page.locator(".branch").first).to_contain_text("/3")


async def usable(page: Page, axe: Axe) -> None:
    """Look for faults once what was opened is drawn, what comes into view by scrolling too."""
    await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    await axe(page)


async def surface(page: Page, name: str, **details: str) -> None:
    """Open a dialog as any control would."""
    await page.evaluate("async ([name, details]) => (await load('components/shell.mjs')).openSurface(name, details)", [name, details])
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
        await page.route(re.compile(r"//[^/]+/api/(usage|requests)"), usage)
        await page.evaluate("async () => store.updateThread('id-Beta', { folder: (await store.createFolder('Work')).id })")
        await usable(page, axe)
        for section in ("general", "appearance", "model", "presets", "providers", "local", "data", "shortcuts", "about"):
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
