"""The way of a read that is one HTTP chunk of what only repeats: the same bytes go into the client's transport.

Caches are cold between two chunks, so what counts is how many objects and functions one of them touches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, final

from llms.protocol.shape import Passable
from llms.streaming.ticker import Ticker

_CRLF: Final = b"\r\n"


class Counting(Protocol):
    """What knows how many chunks there were."""

    chunks: int


@final
class Unframed:
    """Offer what is in such a read to whoever takes it without its framing."""

    __slots__ = ("_take",)

    def __init__(self, take: Callable[[bytes], bool]) -> None:
        """`take` tells whether it is gone."""
        self._take = take

    def take(self, data: bytes) -> bool:
        """Pass on a read that starts where a chunk may start; False, and nothing done, for all but one whole chunk."""
        start = start_of_only(data)
        return start > 0 and self._take(data[start:-2])


@final
class Lane:
    """Pass on reads from one stream to one client while there is a `shape` of which they may be."""

    __slots__ = ("_account", "_ticker", "_transport", "_wire", "at", "shape")

    def __init__(
        self,
        transport: asyncio.Transport,
        account: Counting,
        *,
        ticker: Ticker,
        wire: Callable[[bytes], bytes] | None = None,
    ) -> None:
        """Take where the bytes go and where they are counted; what `wire` would change does not pass."""
        self._transport = transport
        self._account = account
        self._ticker = ticker
        self._wire = wire
        self.at = 0.0
        """When something passed last, by the ticker."""
        self.shape: Passable | None = None

    def take(self, data: bytes) -> bool:
        """Pass on a read that starts where a chunk may start; False, and nothing done, for all but one whole chunk."""
        start = start_of_only(data)
        shape, wire, transport = self.shape, self._wire, self._transport
        if not start or shape is None or transport.is_closing() or transport.get_write_buffer_size():
            return False
        payload = data[start:-2]
        count = shape.count(payload)
        if not count or not (wire is None or payload.isascii() or wire(payload) is payload):
            return False
        transport.write(data)
        self._account.chunks += count
        self.at = self._ticker.now
        return True


def start_of_only(data: bytes) -> int:
    """Return where the piece of a body starts in a read that is one whole HTTP chunk; 0 in any other."""
    start = data.find(b"\n") + 1
    line, size = data[:start], len(data) - start - len(_CRLF)
    return start if data.endswith(_CRLF) and (line == b"%x\r\n" % size or line == b"%X\r\n" % size) else 0
