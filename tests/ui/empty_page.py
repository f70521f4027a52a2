"""The chat's page with its policy and its import map, but without the chat: modules can be tried alone on it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Page, Route

from tests.ui.conftest import Server, Visit

MODULES: Final = re.compile(r'\s*<(?:script type="module"|link rel="modulepreload")[^>]*>(?:</script>)?')
BODY: Final = re.compile(r"<body>.*</body>", re.DOTALL)
BASE: Final = """
  const {imports} = JSON.parse(document.querySelector('script[type=importmap]').textContent);
  globalThis.ui = imports.marked.replace('vendor/marked.mjs', '');
"""


@asynccontextmanager
async def empty_page(
    server: Server, visit: Visit, *, files: Mapping[str, Path] | None = None, expect: Iterable[str] = ()
) -> AsyncGenerator[Page, None]:
    """Open it. Scripts find the chat's modules under the address `ui`, and `files` under /stage/."""

    async def page_alone(route: Route) -> None:
        whole = await route.fetch(url=f"http://127.0.0.1:{server.proxy.port}/")
        text = MODULES.sub("", await whole.text())
        await route.fulfill(response=whole, body=BODY.sub("<body><main></main></body>", text))

    async with visit(server.proxy, "/ui/favicon.svg", expect=expect) as page:
        await page.route("**/stage/", page_alone)
        for name, path in (files or {}).items():
            await page.route(f"**/stage/{name}", _serve(path))
        await page.goto("/stage/")
        await page.evaluate(f"() => {{{BASE}}}")
        yield page


def _serve(path: Path) -> Callable[[Route], Awaitable[None]]:
    async def serve(route: Route) -> None:
        await route.fulfill(path=path, content_type="text/javascript")

    return serve
