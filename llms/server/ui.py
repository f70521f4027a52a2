"""GET / and /ui/*: a fixed map of packaged files; nothing else can be asked for."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple, final

from aiohttp import web

from llms.protocol.errors import NotFound
from llms.server.access import Access

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TYPES: Final = {".mjs": "text/javascript", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


class _File(NamedTuple):
    body: bytes
    kind: str
    etag: str


@final
class Ui:
    """The files of the web chat, read once."""

    def __init__(self) -> None:
        """Read the packaged files."""
        self._files: Mapping[str, _File] = {
            path: _File(body, _kind(path), f'"{hashlib.sha256(body).hexdigest()[:20]}"')
            for path, body in _walk(resources.files("llms") / "ui", "")
        }

    async def index(self, request: web.Request, access: Access) -> web.Response:
        """Answer the page."""
        return self._answer("index.html", request, access)

    async def file(self, request: web.Request, access: Access) -> web.Response:
        """Answer one packaged file."""
        return self._answer(request.match_info["path"], request, access)

    def _answer(self, path: str, request: web.Request, access: Access) -> web.Response:
        found = self._files.get(path)
        if found is None:
            raise NotFound("No such page.")
        headers = {**access.headers, **SECURITY_HEADERS, "ETag": found.etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == found.etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.body, headers={**headers, "Content-Type": found.kind})


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        elif not item.name.startswith((".", "_")):
            yield f"{prefix}{item.name}", item.read_bytes()


def _kind(path: str) -> str:
    suffix = path[path.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith(("json", "svg+xml")) else kind
