"""Bodies that come compressed though that was not asked for."""

from __future__ import annotations

import zlib
from typing import Final, final

from llms.providers._breaks import NotHttp

_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})


@final
class Inflate:
    """Undo a content coding that was not asked for, piece by piece."""

    def __init__(self, coding: str) -> None:
        """Take the Content-Encoding; raise NotHttp for one that is unknown."""
        if coding.strip().lower() not in _CODINGS:
            raise NotHttp(f"Content-Encoding {coding[:40]}")
        self._inflate = zlib.decompressobj(wbits=47)

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return at most `limit` bytes of what a piece holds; raise NotHttp for more, or for garbage."""
        try:
            text = self._inflate.decompress(data, limit)
        except zlib.error as failure:
            raise NotHttp(str(failure)) from None
        if self._inflate.unconsumed_tail:
            raise NotHttp("a compressed answer that is too large")
        return text
