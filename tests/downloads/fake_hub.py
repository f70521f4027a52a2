"""A hub on loopback: its listing, its redirects to where the bytes are, its LFS headers, and plain files beside it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

COMMIT = "c" * 40
TOKEN = "hf_planted_token_0123456789"


def model(size: int = 200_000, *, seed: int = 1) -> bytes:
    """Return bytes that begin like a GGUF file and repeat nowhere."""
    return b"GGUF" + random.Random(seed).randbytes(size - 4)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Seen:
    """One request for bytes, and how many were sent."""

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


@dataclass
class FakeHub:
    """One server; what it does can be changed between requests."""

    url: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """Under /files, as any web server has them."""
    listings: list[dict[str, str]] = field(default_factory=list)
    """The headers of requests for listings."""
    seen: list[Seen] = field(default_factory=list)
    cdn: str = ""
    """Where the bytes of repositories are, when not here."""
    status: int = 200
    """Of listings."""
    retry_after: str = ""
    file_status: int = 200
    content_type: str = "application/octet-stream"
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    kept: Callable[[], int] | None = None
    """Tells how much the client has stored; an answer breaks off, or stalls, when all before it is."""
    stalls: list[int] = field(default_factory=list)
    """After how many bytes the next answers go silent until the client leaves."""
    etag: str = '"one"'
    ranges: bool = True
    heeds_condition: bool = True
    chunked: bool = False
    longer: bytes = b""
    """Follows everything."""
    spoiled: bool = False
    """The last byte of everything is another one."""
    location: str = ""
    """Redirects every file to there."""
    strange_listing: Any = None
    stalled: asyncio.Event = field(default_factory=asyncio.Event)

    def environ(self, *, token: str = "") -> dict[str, str]:
        return {"HF_ENDPOINT": self.url, "HF_TOKEN": token}

    async def list_files(self, request: web.Request) -> web.Response:
        self.listings.append(dict(request.headers))
        repo = "{owner}/{name}".format(**request.match_info)
        if self.location:
            raise web.HTTPFound(f"{self.location}{request.path_qs}")
        if self.status != 200:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.json_response({"error": "no"}, status=self.status, headers=headers)
        if self.strange_listing is not None:
            return web.json_response(self.strange_listing)
        if repo not in self.repos:
            return web.json_response({"error": "Repository not found"}, status=404)
        siblings = [_sibling(path, data) for path, data in self.repos[repo].items()]
        return web.json_response({"id": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False})

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        match = request.match_info
        data = self.repos["{owner}/{name}".format(**match)][match["path"]]
        assert match["revision"] == COMMIT
        if self.cdn:
            self.seen.append(Seen(request.path, dict(request.headers), 302))
            digest = sha256(data)
            linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(data)), "X-Repo-Commit": COMMIT}
            return web.Response(status=302, headers={"Location": f"{self.cdn}/files/{digest}?secret=s", **linked})
        return await self.serve(request, data)

    async def file(self, request: web.Request) -> web.StreamResponse:
        if self.location:
            self.seen.append(Seen(request.path, dict(request.headers), 302))
            return web.Response(status=302, headers={"Location": self.location})
        return await self.serve(request, self.files[request.match_info["path"]])

    async def serve(self, request: web.Request, data: bytes) -> web.StreamResponse:
        seen = Seen(request.path, dict(request.headers), self.file_status)
        self.seen.append(seen)
        if self.file_status != 200:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=self.file_status, text="no", headers=headers)
        if self.spoiled:
            data = data[:-1] + bytes([data[-1] ^ 1])
        data += self.longer
        seen.status, start, headers = self._partial(request, len(data))
        response = web.StreamResponse(status=seen.status, headers=headers)
        if not self.chunked:
            response.content_length = 0 if seen.status == 416 else len(data) - start
        response.content_type = self.content_type
        await response.prepare(request)
        if seen.status != 416:
            await self._send(request, response, data[start:], seen)
        return response

    def _partial(self, request: web.Request, size: int) -> tuple[int, int, dict[str, str]]:
        """Return the status, the first byte and the headers for a request that may ask for a part."""
        headers = {"ETag": self.etag} if self.etag else {}
        wanted = request.headers.get("Range", "")
        condition = request.headers.get("If-Range", self.etag) if self.heeds_condition else self.etag
        if not wanted or not self.ranges or condition != self.etag:
            return 200, 0, headers
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= size:
            return 416, 0, {**headers, "Content-Range": f"bytes */{size}"}
        return 206, start, {**headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}

    async def _send(self, request: web.Request, response: web.StreamResponse, data: bytes, seen: Seen) -> None:
        stalls, cuts = self.stalls.pop(0) if self.stalls else None, self.cuts.pop(0) if self.cuts else None
        end = next((place for place in (stalls, cuts) if place is not None), len(data))
        before = self.kept() if self.kept is not None else 0
        seen.sent = len(data[:end])
        await response.write(data[:end])
        async with asyncio.timeout(10):
            while self.kept is not None and end < len(data) and self.kept() < before + end:
                await asyncio.sleep(0.005)
        if stalls is not None:
            self.stalled.set()
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
        elif end < len(data) and request.transport is not None:
            request.transport.close()


def _sibling(path: str, data: bytes) -> dict[str, Any]:
    lfs = {"sha256": sha256(data), "size": len(data), "pointerSize": 130} if path.endswith(".gguf") else None
    return {"rfilename": path, "size": len(data), "blobId": "b" * 40, **({"lfs": lfs} if lfs else {})}


@asynccontextmanager
async def fake_hub(*, host: str = "127.0.0.1") -> AsyncIterator[FakeHub]:
    """Serve until left."""
    hub = FakeHub()
    app = web.Application()
    app.router.add_get("/api/models/{owner}/{name}", hub.list_files)
    app.router.add_get("/files/{path:.+}", hub.file)
    app.router.add_get("/{owner}/{name}/resolve/{revision}/{path:.+}", hub.resolve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    try:
        await site.start()
        hub.url = f"http://{host}:{runner.addresses[0][1]}"
        yield hub
    finally:
        await runner.cleanup()
