"""The settings: what is chosen counts at once and after a reload; providers and models of the server's machine."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.async_api import expect

from llms.testing.fake_upstream import FakeUpstream, error
from tests.proxy import one_upstream, serving
from tests.ui.chats import chat, fill, palette, setting, sidebar, titles
from tests.ui.conftest import Server, Visit
from tests.ui.talk import REFUSED, ask

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

KEY: Final = "sk-entered-in-the-page-0123456789"
KEPT: Final = "JSON.parse(localStorage.getItem('llms.settings') ?? '{}')"


async def test_streaming_is_a_real_checkbox_that_is_kept(page: Page) -> None:
    dialog = await setting(page, "General")
    box = dialog.get_by_role("checkbox", name="Enable Streaming", exact=True)
    await expect(box).to_be_checked()
    await expect(box).to_have_accessible_description("Stream response tokens in real-time as they're generated")
    await box.uncheck()
    assert await page.evaluate(KEPT) == {"stream": False}
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_test_id("settings-button")).to_be_focused()
    await page.reload()
    await setting(page, "General")
    await expect(box).not_to_be_checked()


STREAMED: Final = {"resumable": "resumable, progress", "plain": "progress", "off": None}
"""What the page asks for in `X-LLMS-Stream`, by `ui.streaming`; None: a whole answer."""


@pytest.mark.parametrize("way", STREAMED)
async def test_the_owner_says_how_answers_reach_whoever_chose_nothing(visit: Visit, way: str) -> None:
    text = f"ui: {{streaming: {way}}}"
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, more=text)) as proxy,
        visit(proxy) as page,
    ):
        async with page.expect_request("**/v1/chat/completions") as asked:
            await ask(page, "Hello")
        sent = await asked.value
        assert sent.headers.get("x-llms-stream") == STREAMED[way]
        assert upstream.chats[0].stream is (way != "off")
        dialog = await setting(page, "General")
        box = dialog.get_by_role("checkbox", name="Enable Streaming", exact=True)
        await expect(box).to_be_checked(checked=way != "off")
        await box.set_checked(way == "off")
        await page.reload()
        await setting(page, "General")
        await expect(box).to_be_checked(checked=way == "off")


async def test_the_focus_stays_inside_and_goes_back(page: Page) -> None:
    dialog = await setting(page, "Data")
    for _ in range(12):
        await page.keyboard.press("Tab")
        await expect(dialog.locator(":focus")).to_have_count(1)
    await dialog.get_by_role("tab", name="Data").focus()
    await page.keyboard.press("ArrowUp")
    await expect(dialog.get_by_role("tab", name="Local models")).to_be_focused()
    await page.keyboard.press("Home")
    await expect(dialog.get_by_role("checkbox", name="Enable Streaming")).to_be_visible()
    await page.mouse.click(5, 5)
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_test_id("settings-button")).to_be_focused()


async def test_the_look_changes_at_once_and_is_there_before_the_page(page: Page) -> None:
    dialog = await setting(page, "Appearance")
    for name in ("Dark", "Rose", "Large", "Wide", "Compact"):
        await dialog.get_by_role("radio", name=name, exact=True).check()
    await dialog.get_by_role("checkbox", name="Less motion").check()
    look = {
        "theme": "dark",
        "accent": "rose",
        "size": "large",
        "width": "wide",
        "density": "compact",
        "motion": "reduced",
    }
    shown = "({...document.documentElement.dataset})"
    assert await page.evaluate(shown) == look
    await page.reload(wait_until="domcontentloaded")
    assert await page.evaluate(shown) == look


async def test_another_language_at_once(page: Page) -> None:
    dialog = await setting(page, "General")
    await dialog.get_by_label("Language").select_option("ar")
    await expect(page.locator("html")).to_have_attribute("dir", "rtl")
    await expect(dialog.get_by_role("heading", name="الإعدادات")).to_be_visible()
    await page.reload()
    await expect(page.get_by_test_id("settings-button")).to_have_accessible_name("الإعدادات")


async def test_all_is_reset_and_the_chats_stay(page: Page) -> None:
    await fill(page, [chat("Alpha")])
    dialog = await setting(page, "Appearance")
    await dialog.get_by_role("radio", name="Dark").check()
    await setting(page, "About")
    await dialog.get_by_role("button", name="Reset").click()
    assert await page.evaluate(KEPT) == {}
    assert await page.evaluate("document.documentElement.dataset.theme") is None
    await expect(titles(page)).to_have_text(["Alpha"])


async def test_parameters_reach_the_upstream_and_a_chat_has_its_own(page: Page, server: Server) -> None:
    dialog = await setting(page, "Model")
    await dialog.get_by_label("System prompt").fill("Be brief.")
    await dialog.get_by_label("Temperature").fill("0.3")
    await dialog.get_by_label("Seed").fill("7")
    await dialog.get_by_label("Stop at").fill("END\n\\n\\n")
    await dialog.get_by_label("Top P", exact=True).fill("5")
    await dialog.get_by_label("Top P", exact=True).blur()
    await expect(dialog).to_contain_text("From 0 to 1, please.")
    await page.keyboard.press("Escape")
    await ask(page, "Hello")
    sent = server.upstream.chats[0].json
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert {name: sent.get(name) for name in ("temperature", "seed", "stop", "top_p")} == {
        "temperature": 0.3,
        "seed": 7,
        "stop": ["END", "\n\n"],
        "top_p": None,
    }
    await page.get_by_role("button", name="Settings of this chat").click()
    own = page.get_by_role("dialog", name="Settings of this chat")
    await expect(own.get_by_label("Temperature")).to_have_attribute("placeholder", "0.3")
    await own.get_by_label("Temperature").fill("1.5")
    await own.get_by_label("System prompt").fill("Be long.")
    await own.get_by_label("System prompt").blur()
    await page.keyboard.press("Escape")
    await ask(page, "Again")
    sent = server.upstream.chats[1].json
    assert (sent["temperature"], sent["seed"], sent["messages"][0]["content"]) == (1.5, 7, "Be long.")


async def test_presets_are_made_changed_used_and_deleted(page: Page, server: Server) -> None:
    dialog = await setting(page, "Presets")
    await dialog.get_by_role("button", name="New preset").click()
    await dialog.get_by_label("Name", exact=True).fill("Poet")
    await dialog.get_by_label("System prompt").fill("Answer in verse.")
    await dialog.get_by_label("Temperature").fill("1.2")
    await dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(dialog).to_contain_text("temperature 1.2 · Answer in verse.")
    await dialog.get_by_role("button", name="Edit: Poet").click()
    await dialog.get_by_label("Name", exact=True).fill("Bard")
    await dialog.get_by_role("button", name="Save", exact=True).click()
    await dialog.get_by_role("button", name="Use preset").click()
    await ask(page, "Hello")
    assert server.upstream.chats[0].json["messages"][0]["content"] == "Answer in verse."
    await page.reload()
    await setting(page, "Presets")
    await dialog.get_by_role("button", name="Delete: Bard").click()
    await expect(dialog).to_contain_text("No presets yet")
    await dialog.get_by_role("button", name="Undo").click()
    await expect(dialog.get_by_role("button", name="Edit: Bard")).to_be_visible()


async def test_keys_can_be_switched_off(page: Page) -> None:
    dialog = await setting(page, "Shortcuts")
    await expect(dialog.locator("dd").first).to_have_text("CtrlK")
    await dialog.get_by_role("checkbox", name="Keyboard shortcuts").uncheck()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await page.keyboard.press("Control+b")
    await page.keyboard.press("Control+k")
    await expect(sidebar(page)).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_everything_is_deleted_after_a_question_and_comes_back(page: Page) -> None:
    await fill(page, [chat("Alpha"), chat("Beta")])
    dialog = await setting(page, "Data")
    await expect(dialog).to_contain_text("used")
    await dialog.get_by_role("button", name="Delete", exact=True).click()
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await dialog.get_by_role("button", name="Delete all chats").click()
    await expect(titles(page)).to_have_count(0)
    await dialog.get_by_role("button", name="Undo").click()
    await expect(titles(page)).to_have_count(2)


async def test_links_lead_to_this_server_only(page: Page) -> None:
    dialog = await setting(page, "About")
    await expect(dialog.get_by_role("link")).to_have_count(3)
    links = await dialog.get_by_role("link").evaluate_all("all => all.map((link) => link.getAttribute('href'))")
    assert links == ["/openapi.json", "/metrics", "/v1/models"]
    await expect(dialog).to_contain_text("Version ")


@asynccontextmanager
async def two_providers(home: Path) -> AsyncGenerator[Any, None]:
    """Serve an upstream that works and one that refuses its key."""
    async with FakeUpstream() as good, FakeUpstream() as bad:
        bad.models(error(401, "Invalid key"))
        more = f'  bad: {{type: openai_compatible, base_url: "{bad.url}", api_key: sk-planted-bad-key}}\nmodels:'
        text = one_upstream(good).replace("models:", more, 1)
        async with serving(text, environ={"XDG_CONFIG_HOME": str(home), "LLMS_DATA_DIR": str(home)}) as proxy:
            yield proxy


async def test_providers_are_tested_switched_and_given_keys(visit: Visit, tmp_path: Path) -> None:
    async with two_providers(tmp_path) as proxy, visit(proxy, expect=[REFUSED]) as page:
        dialog = await setting(page, "Providers")
        up, bad = (dialog.locator(f'[data-provider="{name}"]') for name in ("up", "bad"))
        await expect(up).to_contain_text("1 model")
        await up.get_by_role("button").first.click()
        await up.get_by_role("button", name="Test").click()
        await expect(up).to_contain_text("up answered in")
        await bad.get_by_role("button").first.click()
        await bad.get_by_role("button", name="Test").click()
        await expect(bad.locator(".provider-body .field-error")).to_contain_text("key")
        await bad.get_by_role("checkbox", name="Use this provider: bad").uncheck()
        await expect(bad).to_contain_text("switched off")
        groq = dialog.locator(".addable li").filter(has_text="groq")
        await groq.get_by_role("button").first.click()
        await groq.get_by_label("API key").fill("short")
        await groq.get_by_role("button", name="Save").click()
        await expect(groq.get_by_role("alert")).to_contain_text("8 to 512")
        await groq.get_by_label("API key").fill(KEY)
        await groq.get_by_role("button", name="Save").click()
        entered = dialog.locator('[data-provider="groq"]')
        await entered.get_by_role("button").first.click()
        await expect(entered).to_contain_text("ends with 6789")
        assert KEY not in await page.content()
        stored = await page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
        assert KEY not in stored
        assert KEY in next(tmp_path.rglob("keys.yaml")).read_text()
        await entered.get_by_role("button", name="Forget the key").click()
        await expect(entered).to_have_count(0)


async def test_what_the_server_lacks_is_not_shown(server: Server, visit: Visit) -> None:
    async def absent(route: Route) -> None:
        await route.fulfill(
            status=404, json={"error": {"message": "No.", "type": "x", "param": None, "code": "not_found"}}
        )

    async with visit(server.proxy, expect=[REFUSED]) as page:
        await page.route(re.compile(r"//[^/]+/api/"), absent)
        dialog = await setting(page, "General")
        await expect(dialog.get_by_role("tab", name="Providers")).to_have_count(0)
        await expect(dialog.get_by_role("tab", name="Local models")).to_have_count(0)
        await expect(dialog.get_by_role("tab", name="Data")).to_be_visible()


LOADED: Final = {
    "id": "local/tiny",
    "provider": "local",
    "state": "loaded",
    "problem": "",
    "memory_bytes": 204_000_000,
    "busy": 0,
    "idle_for": 1,
    "file": "tiny",
    "size": 98_000_000,
}


async def test_a_model_is_downloaded_loaded_and_deleted(server: Server, visit: Visit) -> None:
    rows: list[dict[str, Any]] = []
    asked: list[str] = []

    async def api(route: Route) -> None:
        method, path = route.request.method, route.request.url.partition("/api/")[2]
        asked.append(f"{method} {path}")
        if path == "pull" and "broken" in (route.request.post_data or ""):
            return await route.fulfill(
                status=404,
                json={"error": {"message": "No such model.", "type": "x", "param": None, "code": "model_not_found"}},
            )
        if path == "pull":
            rows[:] = [{**LOADED, "state": "unloaded", "memory_bytes": None}]
            steps = [{"status": "downloading", "completed": n, "total": 10} for n in (1, 5)]
            steps.append({"status": "done", "model": "tiny", "id": "local/tiny", "size": 10})
            return await route.fulfill(
                content_type="text/event-stream", body="".join(f"data: {json.dumps(step)}\n\n" for step in steps)
            )
        if method == "DELETE":
            rows[:] = [] if path == "models/local/tiny" else [{**LOADED, "state": "unloaded", "memory_bytes": None}]
        elif method == "POST":
            rows[:] = [LOADED]
        return await route.fulfill(json={"object": "list", "data": rows} if method == "GET" else {})

    async with visit(server.proxy, expect=[REFUSED]) as page:
        await page.route(re.compile(r"//[^/]+/api/(models|pull)"), api)
        await (await palette(page, "download a")).get_by_role("option", name="Download a model").click()
        dialog = page.get_by_role("dialog", name="Download a model")
        await dialog.get_by_label("Name of a model").fill("owner/broken")
        await dialog.get_by_role("button", name="Download", exact=True).first.click()
        await expect(dialog.get_by_role("alert")).to_contain_text("No such model.")
        await dialog.get_by_role("button", name="Dismiss").first.click()
        await dialog.get_by_role("button", name="Download: SmolLM2 135M Instruct").click()
        await expect(dialog.get_by_text("tiny is ready")).to_be_visible()
        entry = dialog.locator("[data-state]").filter(has_text="local/tiny")
        await entry.get_by_role("button", name="Load", exact=True).click()
        await expect(entry).to_contain_text("in memory · 204 MB of memory")
        await entry.get_by_role("button", name="Unload").click()
        await expect(entry).to_contain_text("not in memory")
        await entry.get_by_role("button", name="Delete: local/tiny").click()
        await entry.get_by_role("button", name="Really delete").click()
        await expect(dialog).to_contain_text("No model here yet.")
    assert {
        "POST pull",
        "POST models/local/tiny/load",
        "DELETE models/local/tiny/load",
        "DELETE models/local/tiny",
    } <= {*asked}
