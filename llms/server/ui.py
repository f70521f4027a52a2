"""GET / and /ui/*: a fixed set of packaged files; nothing else can be asked for.

The page names every file under a path that holds a hash of the whole set, so browsers keep files for good and a new
version never mixes with an old one. The same files also answer without the hash, to be checked at each use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, final

from aiohttp import web

from llms.config.model import STREAMING
from llms.protocol.errors import NotFound
from llms.server import ui_files
from llms.server.access import Access
from llms.server.ui_files import UiFile
from llms.server.ui_page import PAGE, STYLES, Page, join_styles, render, saying

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Of every file; the page has a policy of its own, under which the files run."""
_CHECKED: Final = "no-cache"
_KEPT: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Site:
    files: Mapping[str, UiFile]
    build: str
    pages: Mapping[str, Page]
    """By what `ui.streaming` says."""


@final
class Ui:
    """The files of the web chat, read when the first of them is asked for: a server without visitors pays nothing."""

    def __init__(self, streaming: Callable[[], str], folder: Traversable | None = None) -> None:
        """Take what tells `ui.streaming`, and where the files are, by default in the package."""
        self._streaming = streaming
        self._folder = folder or resources.files("llms") / "ui"
        self._site: _Site | None = None
        self._reading = asyncio.Lock()

    async def index(self, request: web.Request, access: Access) -> web.Response:
        """Answer the page."""
        return await self._answer_page(await self._loaded(), request, access)

    async def file(self, request: web.Request, access: Access) -> web.Response:
        """Answer one packaged file."""
        site, path = await self._loaded(), request.match_info["path"]
        if path == PAGE:
            return await self._answer_page(site, request, access)
        kept = path.removeprefix(f"{site.build}/")
        found = site.files.get(kept)
        if found is None or kept == PAGE:
            raise NotFound("No such page.")
        headers = {**SECURITY_HEADERS, "Cache-Control": _CHECKED if kept == path else _KEPT}
        return await _answer(found, request, access, headers)

    async def _answer_page(self, site: _Site, request: web.Request, access: Access) -> web.Response:
        page = site.pages[self._streaming()]
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": page.policy, "Cache-Control": _CHECKED}
        return await _answer(page.file, request, access, headers)

    async def _loaded(self) -> _Site:
        async with self._reading:
            if self._site is None:
                self._site = await asyncio.to_thread(_load, self._folder)
            return self._site


def _load(folder: Traversable) -> _Site:
    files = ui_files.read(folder)
    files[STYLES] = join_styles(files)
    build = ui_files.fingerprint(files)
    page = render(files, build)
    return _Site(files, build, {way: saying(page, way) for way in STREAMING})


async def _answer(file: UiFile, request: web.Request, access: Access, headers: dict[str, str]) -> web.Response:
    """Answer a file in the form that the client takes, or that the one it has is still right."""
    packed = b""
    if _takes_gzip(request):
        packed = await asyncio.to_thread(lambda: file.packed) if file.to_pack else file.packed
    tag = f"{file.digest}-gzip" if packed else file.digest
    vary = ", ".join(filter(None, (access.headers.get("Vary"), "Accept-Encoding")))
    headers = {**access.headers, **headers, "ETag": f'"{tag}"', "Vary": vary}
    if any(given.value in (tag, "*") for given in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=packed or file.body, headers={**headers, "Content-Type": file.kind})


def _takes_gzip(request: web.Request) -> bool:
    """Tell whether gzip is named, or everything, and not refused with a weight of 0 (RFC 9110, 12.5.3)."""
    weights: dict[str, str] = {}
    for row in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, weight = row.partition(";")
        weights[name.strip()] = weight.strip().removeprefix("q=").strip() or "1"
    given = weights.get("gzip", weights.get("*", "0"))
    return given.strip("0.") != ""
