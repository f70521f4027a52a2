"""The pages beside the chat: what was used, and several models asked at once."""

from __future__ import annotations

import re

from playwright.async_api import expect

from llms.testing.fake_upstream import reply
from tests.ui.chats import sidebar
from tests.ui.conftest import Server, Visit
from tests.ui.many_models import many_models, pick, tell_usage
from tests.ui.talk import REFUSED


async def test_usage_is_told_in_numbers_charts_and_tables(visit: Visit) -> None:
    async with many_models() as (proxy, _), visit(proxy) as page:
        await page.route(re.compile(r"//[^/]+/api/(usage|requests|analytics)"), tell_usage)
        await sidebar(page).get_by_role("link", name="Usage").click()
        await expect(page.locator(".stat-value")).to_have_text(["12", "3.9K", "$0.013", "250 ms", "48.5"])
        await expect(page.locator(".chart canvas")).to_have_count(4)
        tokens = page.get_by_role("region", name="Tokens").first
        await tokens.locator("summary").click()
        await expect(tokens.locator("tbody tr")).to_have_count(2)
        await expect(tokens.locator("tbody tr").first.locator("td")).to_have_text(["900", "3K"])
        streams = page.get_by_role("region", name="Streams", exact=True).first
        await expect(streams.locator("tbody th")).to_have_text(["1 hour", "24 hours", "7 days"])
        cells = ["40", "2.5%", "300 ms · 600 ms · 1.1 sec", "61 · 41 · 22", "4.2 sec", "181", "10%", "–"]
        await expect(streams.locator("tbody tr").first.locator("td")).to_have_text(cells)
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
