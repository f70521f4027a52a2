"""The page in a real browser: what it loads and from where, its policy, its colours, and that the watch sees faults."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

import llms
from llms.server.access import Access
from llms.server.ui import Ui
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import one_upstream, serving
from tests.ui.conftest import DESKTOP, PHONE, Axe, Scheme, Server, Visit

FILES = Path(llms.__file__).parent / "ui"
REQUESTS_LIMIT = 40
GZIP_LIMIT = 100_000
LOADED = """() => performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
  .filter((entry) => entry.initiatorType === 'navigation' || entry.name.includes('/ui/'))
  .map((entry) => ({url: entry.name, wire: entry.transferSize, packed: entry.encodedBodySize}))"""


async def started(page: Page) -> None:
    await page.wait_for_selector(".app")
    await page.wait_for_load_state("networkidle")


async def loaded(page: Page) -> list[dict[str, Any]]:
    """Return the page and what it loaded under /ui/, each once, with its bytes: on the wire (0: cached) and packed."""
    found: dict[str, dict[str, Any]] = {}
    for entry in await page.evaluate(LOADED):
        found.setdefault(entry["url"].partition("#")[0], entry)
    return list(found.values())


async def test_the_first_visit_is_small(page: Page) -> None:
    await started(page)
    entries = await loaded(page)
    assert len(entries) <= REQUESTS_LIMIT, [entry["url"] for entry in entries]
    assert sum(entry["packed"] for entry in entries) <= GZIP_LIMIT, sorted((e["packed"], e["url"]) for e in entries)


async def test_a_second_visit_asks_for_the_page_alone(page: Page) -> None:
    await started(page)
    assert all(entry["wire"] for entry in await loaded(page))
    await page.goto("/")
    await started(page)
    assert [entry["url"] for entry in await loaded(page) if entry["wire"]] == [page.url]


async def test_modules_are_announced_so_that_none_waits_for_another(page: Page) -> None:
    await started(page)
    announced = await page.eval_on_selector_all('link[rel="modulepreload"]', "all => all.map((link) => link.href)")
    modules = {entry["url"] for entry in await loaded(page) if entry["url"].endswith(".mjs")}
    assert set(announced) <= modules
    assert {url for url in modules if url.endswith(("/app.mjs", "/view.mjs", "/preact.mjs"))} <= set(announced)


async def test_icons_are_drawn(page: Page) -> None:
    await page.wait_for_selector("svg.icon")
    await page.wait_for_load_state("load")
    visible = "all => all.filter((use) => use.checkVisibility()).map((use) => use.getBBox().width)"
    drawn = await page.eval_on_selector_all("svg.icon > use", visible)
    assert drawn
    assert all(width > 1 for width in drawn)


async def test_without_scripts_the_page_says_what_this_is(server: Server, visit: Visit) -> None:
    async with visit(server.proxy, script=False) as page:
        await expect(page.get_by_role("heading", name="llms is running")).to_be_visible()
        await expect(page.get_by_role("link", name="Models")).to_have_attribute("href", "/v1/models")
        await expect(page.locator(".boot")).to_be_hidden()


async def test_the_page_starts_where_keys_are_required(visit: Visit) -> None:
    more = "keys: {required: true, static: [sk-llms-the-right-key-0123456789abcdef]}"
    async with (
        FakeUpstream() as upstream,
        serving(one_upstream(upstream, more=more)) as proxy,
        visit(proxy, expect=["401"]) as page,
    ):
        await page.wait_for_selector("#app > :not(.boot)")


# -- its policy ---------------------------------------------------------------------------------------------


ATTACK = """async () => {
  const seen = [];
  document.addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));
  try { await (async () => { %s })(); } catch (error) { void error; }
  for (let turn = 0; turn < 40 && !seen.length; turn++) await new Promise((done) => setTimeout(done, 25));
  return seen;
}"""


@pytest.mark.parametrize(
    ("attack", "directive"),
    [
        ("document.body.innerHTML = '<b>x</b>'", "require-trusted-types-for"),
        ("document.createElement('iframe').srcdoc = '<b>x</b>'", "require-trusted-types-for"),
        ("document.createElement('script').text = 'x'", "require-trusted-types-for"),
        ("trustedTypes.createPolicy('p', {})", "trusted-types"),
        ("document.body.setAttribute('style', 'color: red')", "style-src-attr"),
        ("new Image().src = 'http://127.0.0.1:9/?q=secret'", "img-src"),
        ("await fetch('http://127.0.0.1:9/')", "connect-src"),
        ("navigator.sendBeacon('http://127.0.0.1:9/', 'secret')", "connect-src"),
        ("new EventSource('http://127.0.0.1:9/')", "connect-src"),
        ("new WebSocket('ws://127.0.0.1:9/')", "connect-src"),
        ("await import('data:text/javascript,0')", "script-src-elem"),
        ("const all = document.createElement('base'); all.href = '//x'; document.head.append(all)", "base-uri"),
        (
            "const form = document.createElement('form'); form.action = '/x'; document.body.append(form); "
            "form.submit()",
            "form-action",
        ),
    ],
)
async def test_what_the_page_never_does_is_refused(server: Server, visit: Visit, attack: str, directive: str) -> None:
    async with visit(server.proxy, expect=["."]) as page:
        await page.wait_for_selector(".app")
        assert directive in await page.evaluate(ATTACK % attack)


@asynccontextmanager
async def serving_files(folder: Path) -> AsyncGenerator[str, None]:
    """Serve other files as the page's; yields the address."""
    ui = Ui(lambda: "resumable", folder)

    async def page(request: web.Request) -> web.Response:
        return await ui.index(request, Access("test"))

    async def file(request: web.Request) -> web.Response:
        return await ui.file(request, Access("test"))

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/ui/{path:.+}", file)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_library_that_was_changed_does_not_run(browser: Browser, tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path / "ui")
    library = tmp_path / "ui" / "vendor" / "preact.mjs"
    library.write_text(library.read_text() + "globalThis.changed = true;\n")
    async with serving_files(tmp_path / "ui") as address:
        context = await browser.new_context()
        try:
            page = await context.new_page()
            async with page.expect_console_message(lambda message: "integrity" in message.text):
                await page.goto(address)
            assert not await page.evaluate("globalThis.changed")
            assert await page.locator(".app").count() == 0
        finally:
            await context.close()


# -- its looks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "locale", "attributes"),
    [
        (None, "en-US", {"lang": "en", "dir": "ltr", "data-theme": None, "data-accent": None}),
        ({"theme": "dark", "accent": "teal"}, "en-US", {"data-theme": "dark", "data-accent": "teal"}),
        ({"theme": "system", "accent": "<x>", "size": 7}, "en-US", {"data-theme": None, "data-accent": None}),
        ({"density": "compact", "width": "wide", "motion": "reduced"}, "en-US", {"data-density": "compact"}),
        (None, "ar-EG", {"lang": "ar", "dir": "rtl"}),
        ({"language": "de"}, "ar-EG", {"lang": "de", "dir": "ltr"}),
        ({"language": "auto"}, "de-AT", {"lang": "de", "dir": "ltr"}),
        ([], "fr-FR", {"lang": "en", "dir": "ltr"}),
    ],
)
async def test_the_looks_are_known_before_the_first_paint(
    server: Server, visit: Visit, settings: Any, locale: str, attributes: dict[str, str | None]
) -> None:
    async with visit(server.proxy, settings=settings, locale=locale) as page:
        for name, value in attributes.items():
            assert await page.locator("html").get_attribute(name) == value


async def test_a_theme_wins_over_the_system(server: Server, visit: Visit) -> None:
    async def ground(scheme: Scheme, settings: dict[str, str] | None) -> str:
        async with visit(server.proxy, scheme=scheme, settings=settings) as page:
            colour: str = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            return colour

    light, dark = await ground("light", None), await ground("dark", None)
    assert light != dark
    assert await ground("dark", {"theme": "light"}) == light
    assert await ground("light", {"theme": "dark"}) == dark


SAMPLE = """() => {
  const add = (parent, tag, name, text = '') => {
    const made = parent.appendChild(document.createElement(tag));
    made.className = name;
    made.textContent = text;
    return made;
  };
  const main = add(document.body, 'main', 'sample markdown');
  document.getElementById('app').hidden = true;
  for (const name of ['muted', 'quiet', 'link', 'field-error', 'usage', 'error-status', 'status-line', 'starter-text'])
    add(main, 'p', name, `text of ${name}`);
  for (const kind of ['', 'good', 'warn', 'bad', 'accent']) add(add(main, 'p', ''), 'span', `badge ${kind}`, 'badge');
  for (const kind of ['', 'primary', 'danger', 'danger primary', 'ghost'])
    add(main, 'button', `button ${kind}`, 'button');
  add(main, 'p', 'error-card', 'card');
  add(main, 'p', 'notice warn', 'notice');
  add(main, 'p', 'bubble', 'bubble');
  const pre = add(add(main, 'div', 'md-code'), 'pre', '');
  pre.tabIndex = 0;
  const code = add(pre, 'code', '');
  for (const name of %s) add(code, 'span', name, ` ${name} `);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_colours_are_readable(server: Server, visit: Visit, axe: Axe, scheme: Scheme) -> None:
    names = sorted(set(re.findall(r"\.(hljs-[\w-]+)", (FILES / "css" / "code.css").read_text())))
    accents = sorted(set(re.findall(r'data-accent="(\w+)"', (FILES / "css" / "tokens.css").read_text())))
    assert len(names) > 20
    assert len(accents) >= 7
    async with visit(server.proxy, scheme=scheme) as page:
        await page.wait_for_selector(".app")
        await page.evaluate(SAMPLE % names)
        for accent in ["", *accents]:
            await page.evaluate(f"document.documentElement.dataset.accent = '{accent}'")
            await axe(page, ".sample")


@pytest.mark.parametrize(
    ("scheme", "size", "locale"),
    [("light", DESKTOP, "en-US"), ("dark", DESKTOP, "de-DE"), ("light", PHONE, "ar-EG"), ("dark", PHONE, "en-US")],
)
async def test_the_page_is_accessible(
    server: Server, visit: Visit, axe: Axe, scheme: Scheme, size: tuple[int, int], locale: str
) -> None:
    async with visit(server.proxy, scheme=scheme, size=size, locale=locale, touch=size == PHONE) as page:
        await page.wait_for_selector(".app")
        await axe(page)


async def test_nothing_hangs_over_the_edge(page: Page) -> None:
    await page.wait_for_selector(".app")
    for width in (320, 390, 768, 1440, 2560):
        await page.set_viewport_size({"width": width, "height": 700})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


# -- the watch ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("console.error('something')", "console: something"),
        ("setTimeout(() => { throw new Error('uncaught') })", "error: .*uncaught"),
        ("document.body.setAttribute('style', 'color: red')", "securitypolicyviolation style-src"),
        ("const a = document.createElement('a'); a.href = 'http://127.0.0.1:9/'; a.click()", "another origin"),
        ("fetch('/no-such-path')", "404"),
    ],
)
async def test_a_fault_of_the_page_fails_its_test(server: Server, visit: Visit, fault: str, said: str) -> None:
    async def commit() -> None:
        async with visit(server.proxy) as page:
            await page.wait_for_selector(".app")
            await page.evaluate(f"() => {{ {fault} }}")
            await page.wait_for_timeout(150)

    with pytest.raises(AssertionError, match=said):
        await commit()


async def test_axe_finds_what_is_wrong(server: Server, visit: Visit, axe: Axe) -> None:
    async with visit(server.proxy) as page:
        await page.wait_for_selector(".app")
        await page.evaluate("document.body.append(document.createElement('button'))")
        with pytest.raises(AssertionError, match="button-name"):
            await axe(page)
