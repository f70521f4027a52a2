"""A real browser on a real server; whatever it complains about fails the test.

Tests of this folder share one event loop and one browser: an async fixture of theirs needs `loop_scope="session"`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest
import pytest_asyncio

from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Proxy, one_upstream, serving

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page, Request

HERE: Final = Path(__file__).parent
CACHE: Final = HERE.parents[1] / ".cache"
AXE: Final = "axe-core@4.14.1"
AXE_SHA512: Final = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
FLAGS: Final = (
    "--no-sandbox",
    "--no-proxy-server",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
STORED: Final = """
if (location.protocol === 'http:' && !localStorage.getItem('llms.settings'))
  localStorage.setItem('llms.settings', %s);
"""
DESKTOP: Final = (1440, 900)
PHONE: Final = (390, 844)
VIOLATIONS: Final = """
document.addEventListener('securitypolicyviolation', (event) =>
  console.error(`securitypolicyviolation ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
"""


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Run the async tests of this folder in the browser's loop."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.browser)


@dataclass
class Watch:
    """What one page did that no page may do."""

    origin: str
    found: list[str] = field(default_factory=list)
    allowed: list[re.Pattern[str]] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Expect something: a regular expression of its text."""
        self.allowed.append(re.compile(pattern))

    @property
    def problems(self) -> list[str]:
        """Return what was not expected."""
        return [line for line in self.found if not any(pattern.search(line) for pattern in self.allowed)]

    def attach(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert") or re.search("Content Security Policy|preload", message.text):
            self.found.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", "data:", "blob:")):
            self.found.append(f"request to another origin: {request.url}")


@dataclass
class Server:
    """A proxy with one scripted upstream, which answers to the model `m`."""

    proxy: Proxy
    upstream: FakeUpstream


Visit = Callable[..., AbstractAsyncContextManager["Page"]]
Axe = Callable[..., Awaitable[None]]
Scheme = Literal["light", "dark"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser, None]:
    """Start the system's Chromium once."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs a browser: apt-get install chromium")
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        pytest.skip("needs Playwright: pip install playwright")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture
def visit(browser: Browser) -> Visit:
    """Return `visit(proxy, path, ...)`: an async context manager with a watched page in a profile of its own."""

    @asynccontextmanager
    async def visiting(
        proxy: Proxy,
        path: str = "/",
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: Scheme = "light",
        locale: str = "en-US",
        touch: bool = False,
        still: bool = True,
        settings: Mapping[str, Any] | None = None,
        script: bool = True,
        expect: Iterable[str] = (),
    ) -> AsyncGenerator[Page, None]:
        """Open a page. `settings` are stored before it loads, `expect` are patterns of errors that the test wants."""
        origin = f"http://127.0.0.1:{proxy.port}"
        context = await browser.new_context(
            base_url=origin,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            locale=locale,
            has_touch=touch,
            is_mobile=touch,
            reduced_motion="reduce" if still else "no-preference",
            java_script_enabled=script,
        )
        watch = Watch(origin, allowed=[re.compile(pattern) for pattern in expect])
        await context.add_init_script(VIOLATIONS)
        if settings is not None:
            await context.add_init_script(STORED % json.dumps(json.dumps(settings)))
        context.on("page", watch.attach)
        try:
            page = await context.new_page()
            await page.goto(path)
            yield page
        finally:
            await context.close()
        if watch.problems:
            raise AssertionError("\n".join(watch.problems))

    return visiting


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncGenerator[Server, None]:
    """Serve the model `m` of a scripted upstream."""
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        yield Server(proxy, upstream)


@pytest_asyncio.fixture(loop_scope="session")
async def page(server: Server, visit: Visit) -> AsyncGenerator[Page, None]:
    """Open the chat at desktop size."""
    async with visit(server.proxy) as page:
        yield page


@pytest.fixture(scope="session")
def axe_source() -> str:
    """Return axe-core, fetched once into the cache."""
    script = CACHE / "axe" / "axe.min.js"
    if not script.is_file():
        script.parent.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm")
        packed = npm and subprocess.run(
            [npm, "pack", "--silent", AXE], cwd=script.parent, capture_output=True, timeout=90, check=False
        )
        if not packed or packed.returncode:
            pytest.skip(f"needs axe-core: cd {script.parent} && npm pack {AXE}")
        archive = script.parent / packed.stdout.decode().split()[-1]
        assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == AXE_SHA512
        with tarfile.open(archive) as tar:
            content = tar.extractfile("package/axe.min.js")
            assert content is not None
            script.write_bytes(content.read())
    return script.read_text()


@pytest.fixture
def axe(axe_source: str) -> Axe:
    """Return `await axe(page, selector)`, which fails on serious and critical faults of accessibility."""

    async def run(page: Page, selector: str = "html") -> None:
        if not await page.evaluate("'axe' in globalThis"):
            await page.evaluate(axe_source)
        results = await page.evaluate(f"axe.run({json.dumps(selector)}, {{resultTypes: ['violations']}})")
        faults = [
            f"{fault['id']}: {node['target']} {node['failureSummary']}"
            for fault in results["violations"]
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]
        if faults:
            raise AssertionError("\n".join(faults))

    return run
