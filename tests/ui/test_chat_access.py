"""The chat for everybody: without a mouse, without eyes, from right to left, without motion; nothing in it is run."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

import llms
from llms.testing.fake_upstream import Seen, cut, error, reasoning_stream, reply, text_stream, tool_stream
from tests.ui.conftest import DESKTOP, PHONE, Axe, Scheme, Server, Visit
from tests.ui.talk import REFUSED, answers, ask, complete, field, held, send

if TYPE_CHECKING:
    from playwright.async_api import Page

    from llms.testing.fake_upstream import Answer

RICH = """# Heading

Text with `code`, **bold** and a [link](https://example.com/), $x^2$.

```python
print("hello")  # a comment
```

| a | b |
|---|---|
| 1 | 2 |

- [x] done
"""
HOSTILE = """<img src=x onerror="document.title='owned'"> <script>document.title='owned'</script>

[click](javascript:document.title='owned') ![spy](http://127.0.0.1:9/?q=secret)
<iframe srcdoc="<script>1</script>"></iframe>"""


def many(seen: Seen) -> Answer:
    """Answer with everything that a conversation may hold."""
    said = str(seen.json["messages"][-1]["content"])
    if said == "think":
        return reasoning_stream("Let me think.", RICH)
    if said == "break":
        return text_stream("Half an answer is").first(3).then(cut())
    if said == "fail":
        return error(400, message="No.")
    return tool_stream() if said == "tool" else text_stream(RICH)


@pytest.mark.parametrize(
    ("scheme", "locale", "size"),
    [("light", "en-US", DESKTOP), ("dark", "en-US", DESKTOP), ("light", "ar", DESKTOP), ("dark", "de", PHONE)],
    ids=["light", "dark", "from right to left", "phone"],
)
async def test_no_serious_fault(
    server: Server, visit: Visit, axe: Axe, scheme: Scheme, locale: str, size: tuple[int, int]
) -> None:
    server.upstream.on(many)
    async with visit(
        server.proxy, scheme=scheme, locale=locale, size=size, touch=size == PHONE, expect=[REFUSED]
    ) as page:
        await page.wait_for_selector(".starter")
        await axe(page)
        for text, place in (
            ("think", ".reasoning"),
            ("tool", ".tool-call"),
            ("break", ".error-card"),
            ("fail", ".failure"),
        ):
            await send(page, text)
            await page.locator(place).last.wait_for()
            await expect(page.get_by_test_id("cancel-button")).to_have_count(0)
        await page.locator(".reasoning summary").click()
        await axe(page)


async def test_an_answer_while_it_is_written_has_no_serious_fault(page: Page, server: Server, axe: Axe) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream(RICH), 6, gate))
    await send(page, "Go")
    await expect(answers(page).locator(".markdown")).to_contain_text("Heading")
    await axe(page)
    gate.set()
    await complete(page)


async def test_what_a_screen_reader_is_told(server: Server, visit: Visit) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream("One two three four"), 3, gate), error(400, message="No more."))
    async with visit(server.proxy, expect=[REFUSED]) as page:
        await send(page, "Count")
        spoken = page.locator("[role=status][aria-live=polite]")
        await expect(spoken).to_have_text("Generating")
        assert await page.get_by_role("log").get_attribute("aria-live") == "off"
        assert await page.get_by_role("log").get_attribute("aria-busy") == "true"
        gate.set()
        await expect(spoken).to_have_text("Answer complete, 4 words")
        await send(page, "Again")
        await expect(page.locator("p[role=alert]")).to_contain_text("No more.")


async def test_everything_by_keyboard(page: Page, server: Server) -> None:
    server.upstream.script(reply("One."), reply("Two."))
    await ask(page, "Hello")
    await expect(field(page)).to_be_focused()
    for _ in range(30):
        await page.keyboard.press("Shift+Tab")
        if await page.evaluate("document.activeElement.ariaLabel") == "Answer again":
            break
    await page.keyboard.press("Enter")
    await expect(answers(page).locator(".markdown")).to_have_text("Two.")
    await complete(page)
    more = answers(page).get_by_role("button", name="More", exact=True)
    await more.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem").first).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("menuitem", name="Delete message")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(more).to_be_focused()
    await expect(answers(page)).to_have_count(1)


async def test_the_way_past_the_sidebar(page: Page) -> None:
    await ask(page, "Hello")
    first = "document.querySelector('a[href], button, input, textarea, [tabindex=\"0\"]').textContent"
    assert await page.evaluate(first) == "Skip to the conversation"
    await page.get_by_role("link", name="Skip to the conversation").press("Enter")
    await expect(answers(page)).to_be_focused()


async def test_each_text_has_its_own_direction(page: Page, server: Server) -> None:
    server.upstream.script(reply("مرحبا بالعالم\n\nHello world"))
    message = await ask(page, "شلوم")
    directions = "all => all.map((each) => getComputedStyle(each).direction)"
    assert await message.locator(".markdown p").evaluate_all(directions) == ["rtl", "ltr"]
    assert await page.locator(".bubble").evaluate_all(directions) == ["rtl"]
    assert await field(page).get_attribute("dir") == "auto"


async def test_without_motion_nothing_moves(page: Page, server: Server) -> None:
    gate = asyncio.Event()
    server.upstream.script(held(text_stream("One two three"), 3, gate))
    await send(page, "Go")
    await expect(answers(page).locator(".caret")).to_be_attached()
    running = """document.getAnimations().filter(
      (each) => each.playState === 'running' && each.effect.getComputedTiming().activeDuration > 50).length"""
    assert await page.evaluate(running) == 0
    gate.set()
    await complete(page)


async def test_an_answer_can_run_nothing(server: Server, visit: Visit) -> None:
    server.upstream.script(reply(HOSTILE))
    async with visit(server.proxy) as page:
        message = await ask(page, "Attack")
        await expect(message).to_contain_text("click")
        assert (
            await message.locator(".markdown").locator("img, script, iframe, [onerror], a[href^=javascript]").count()
            == 0
        )
        assert not re.search("owned", await page.title())


def test_no_module_of_the_page_writes_html() -> None:
    folder = Path(llms.__file__).parent / "ui"
    sources = {path: path.read_text() for path in folder.rglob("*.mjs") if "vendor" not in path.parts}
    assert len(sources) > 50
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write|\beval\(|new Function\b|https?://(?!www\.w3\.org/)"
    )
    assert [
        f"{path.name}: {found[0]}"
        for path, text in sources.items()
        for found in forbidden.finditer(re.sub(r"//.*", "", text))
    ] == []
