"""Download one file, going on where an earlier attempt ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, final

import aiohttp

from llms.downloads.claim import Claim
from llms.downloads.part_file import MAGIC, PartFile
from llms.downloads.remote_file import RemoteFile
from llms.downloads.source import shown
from llms.downloads.web import Web, failure
from llms.protocol.errors import UpstreamProtocolError, UpstreamTimeout, UpstreamTruncated

_ATTEMPTS: Final = 5
"""How often a connection may break after it brought something."""
_RANGE: Final = re.compile(r"bytes (?:(?P<first>\d{1,18})-\d{1,18}|\*)/(?:(?P<total>\d{1,18})|\*)", re.ASCII)

Report = Callable[[int, int | None], None]
"""Hears how many bytes of a file are there, and how many it will have, as far as that is known."""


@final
class Fetch:
    """One file and all that its download needs."""

    def __init__(
        self,
        file: RemoteFile,
        part: PartFile,
        *,
        web: Web,
        claim: Claim,
        require_room: Callable[[int], None],
        report: Report,
    ) -> None:
        """Take where the file comes from and where it goes; `require_room` raises when so many bytes don't fit."""
        self._file = file
        self._part = part
        self._web = web
        self._claim = claim
        self._require_room = require_room
        self._report = report
        self._place = shown(file.url)

    async def run(self) -> None:
        """Bring the part file to its full size; raise an LlmsError, or OSError when it cannot be written.

        A connection that breaks after it brought something is made anew at once. What is no model is removed.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            before = self._part.size
            try:
                await self._attempt()
            except (UpstreamTruncated, UpstreamTimeout):
                if self._part.size <= before or attempt == _ATTEMPTS:
                    raise
            else:
                return

    async def _attempt(self) -> None:
        start = self._kept()
        if start and start == self._file.size:
            return
        async with self._web.get(self._file.url, self._headers(start)) as response:
            if await self._take(response, start):
                return
        self._part.remove()
        await self._attempt()

    def _kept(self) -> int:
        """Return how many bytes an earlier attempt left; those that cannot be trusted are removed."""
        size = self._part.size
        noted = self._noted()
        is_same = bool(noted) or (noted is not None and self._file.sha256 is not None)
        is_longer = self._file.size is not None and size > self._file.size
        if size and is_same and not is_longer and self._part.begins_like_a_model():
            return size
        self._part.remove()
        return 0

    def _noted(self) -> str | None:
        return self._claim.etag(self._part.final.name, self._file.identity)

    def _headers(self, start: int) -> dict[str, str]:
        noted = self._noted()
        condition = {"If-Range": noted} if noted else {}
        return {"Range": f"bytes={start}-", **condition} if start else {}

    async def _take(self, response: aiohttp.ClientResponse, start: int) -> bool:
        """Read an answer; return False when what is kept is of another content, so that all must be asked for."""
        if response.status == 200:
            await self._receive(response, 0, response.content_length)
            return True
        if not start:
            raise UpstreamProtocolError(f"{self._place} answered {response.status} when asked for the whole file.")
        first, total = _content_range(response)
        if response.status == 416:
            return total == start
        noted, etag = self._noted(), _validator(response)
        if first != start or (noted and etag and noted != etag):
            return False
        await self._receive(response, start, total)
        return True

    async def _receive(self, response: aiohttp.ClientResponse, start: int, total: int | None) -> None:
        size, total = start, self._expected(response, total)
        head = b"" if start else await self._head(response)
        if total is not None:
            self._require_room(total - start)
        if not start:
            # Only now: a page that a network puts in between must not cost what is kept.
            self._part.remove()
        self._claim.note(self._part.final.name, self._file.identity, _validator(response))
        with self._part.open() as out:
            await self._part.append(out, head)
            size += len(head)
            async with aclosing(self._rest(response)) as rest:
                async for data in rest:
                    size += len(data)
                    if total is not None and size > total:
                        self._part.remove()
                        raise UpstreamProtocolError(
                            f"{self._place} sends more than the {total} bytes that it announced."
                        )
                    await self._part.append(out, data)
                    self._report(size, total)
        if total is not None and size < total:
            raise UpstreamTruncated(f"{self._place}: the connection broke.")

    def _expected(self, response: aiohttp.ClientResponse, total: int | None) -> int | None:
        """Return the size of the file as it is known by all that is known."""
        known = self._file.size
        if known is not None and total is not None and known != total:
            raise UpstreamProtocolError(f"{self._place} has {total} bytes where the hub says {known}.")
        is_framed = total is not None or "Transfer-Encoding" in response.headers
        if not is_framed and known is None and self._file.sha256 is None:
            raise UpstreamProtocolError(
                f"{self._place} does not say how long the file is, so nobody can tell whether all of it came. "
                "Pass its checksum with --sha256."
            )
        return total if known is None else known

    async def _head(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the first bytes; raise when they are not those of a model."""
        is_page = response.content_type in ("text/html", "application/xhtml+xml")
        try:
            head = await response.content.readexactly(len(MAGIC))
        except asyncio.IncompleteReadError as ended:
            head = ended.partial
        except (aiohttp.ClientError, TimeoutError) as reason:
            raise failure(reason, self._file.url) from None
        if head == MAGIC and not is_page:
            return head
        if is_page or head.lstrip()[:1] == b"<":
            raise UpstreamProtocolError(
                f"{self._place} is a web page, no model. On the hub, copy the address of the file's download "
                "(/resolve/ instead of /blob/), or pull hf:owner/repo."
            )
        raise UpstreamProtocolError(f"{self._place} is no GGUF file: it begins with {head!r}.")

    async def _rest(self, response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
        try:
            async for data in response.content.iter_any():
                yield data
        except (aiohttp.ClientError, TimeoutError) as reason:
            raise failure(reason, self._file.url) from None


def _content_range(response: aiohttp.ClientResponse) -> tuple[int | None, int | None]:
    """Return the first byte and the size that an answer names."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None:
        return None, None
    first, total = found["first"], found["total"]
    return (None if first is None else int(first)), (None if total is None else int(total))


def _validator(response: aiohttp.ClientResponse) -> str:
    """Return what tells this content from a later one: a strong ETag, or a date; empty where there is none."""
    etag, date = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    found = etag if etag and not etag.startswith("W/") else date
    return found if found.isascii() and found.isprintable() else ""
