"""A client's form on its way to an upstream: read as it comes, kept only as far as it may be needed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final, final

from aiohttp import web

from llms.protocol.errors import InvalidRequest, RequestTooLarge
from llms.protocol.multipart import Field, Form
from llms.server.body import BYTES_PER_SECOND, PATIENCE, broken_off, check_framing, let_come, too_late

_REPEATABLE: Final = 2**20
"""Bytes of a body that are kept for another attempt."""


@final
class FormUpload:
    """Send a form on, with the target's own model id in place of the client's.

    What came before the model was known is kept until it is sent. All of it can be sent again as long as no more
    than `_REPEATABLE` bytes had to be kept for that.
    """

    def __init__(self, request: web.Request, form: Form | None, *, limit: int) -> None:
        """Take who looks for the model, if there may be one, and the most bytes that the body may have."""
        self._request = request
        self._form = form
        self._limit = limit
        self._kept: list[bytes] = []
        self._size = 0
        self._whole = False
        self._waited = 0.0
        self._lost = False

    @property
    def repeatable(self) -> bool:
        """Tell whether all that was taken can be taken again."""
        return not self._lost

    async def begin(self, *, limit: int) -> str:
        """Read on to the field `model` and return it, "" for a form without; keep at most `limit` bytes on the way."""
        check_framing(self._request)
        if (self._request.content_length or 0) > self._limit:
            raise _too_large(self._limit)
        if "Expect" in self._request.headers:
            await let_come(self._request)
        form = self._form
        if form is None:
            return ""
        while form.model is None and not self._whole:
            if self._size > limit:
                raise InvalidRequest(
                    f"The first {limit} bytes of the form hold no `model`: put it before the files.", param="model"
                )
            if data := await self._read():
                self._kept.append(data)
        return form.model.value if form.model is not None else ""

    def length(self, model: str) -> int | None:
        """Return the bytes that are sent to an upstream; None where nobody knows yet."""
        size = self._size if self._whole else self._request.content_length
        field = self._field
        return size if size is None or field is None else size + len(model.encode()) - (field.end - field.start)

    async def pieces(self, model: str) -> AsyncGenerator[bytes, None]:
        """Yield the form from its beginning."""
        at = 0
        for data in list(self._kept):
            yield self._named(data, at, model)
            at += len(data)
        while not self._whole:
            if not (data := await self._read()):
                break
            if self._lost or self._size > _REPEATABLE:
                self._lost = True
                self._kept.clear()
            else:
                self._kept.append(data)
            yield data

    @property
    def _field(self) -> Field | None:
        return None if self._form is None else self._form.model

    def _named(self, data: bytes, at: int, model: str) -> bytes:
        """Return a piece that stood at a place of the form, with what it holds of the model's id replaced."""
        field = self._field
        if field is None or at + len(data) <= field.start or at >= field.end:
            return data
        start, end = max(0, field.start - at), field.end - at
        new = model.encode() if at <= field.start else b""
        return data[:start] + new + data[end:]

    async def _read(self) -> bytes:
        """Return what comes next, b"" at the end; raise an LlmsError when it breaks off, stalls or is too much."""
        now = asyncio.get_running_loop().time
        since = now()
        try:
            async with asyncio.timeout(PATIENCE + self._size / BYTES_PER_SECOND - self._waited):
                data = await self._request.content.readany()
        except web.RequestPayloadError:
            raise broken_off() from None
        except TimeoutError:
            raise too_late() from None
        self._waited += now() - since
        self._size += len(data)
        if self._size > self._limit:
            raise _too_large(self._limit)
        self._whole = not data
        if self._form is not None:
            self._form.feed(data)
        return data


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"The body is larger than {limit} bytes; server.max_upload bounds those of forms.")
