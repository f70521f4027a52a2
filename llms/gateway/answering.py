"""A committed stream, as servers read it: of the upstream, of a flight, or of what is kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Protocol, Self

from llms.gateway.exchange import Exchange
from llms.gateway.short_cut import ShortCut
from llms.protocol.chat import Chunk, Usage


class Answering(Protocol):
    """Use it as `async with`; leaving lets go of the upstream."""

    exchange: Exchange

    @property
    def short_cut(self) -> ShortCut | None:
        """Return where chunks that only repeat may go on by; None where every chunk is looked at."""
        ...

    @property
    def heartbeat(self) -> float:
        """Return the seconds of silence after which the target's row wants a sign of life; 0 for never."""
        ...

    @property
    def native(self) -> bool:
        """Tell whether the chunks hold the answer in the client's own dialect."""
        ...

    @property
    def usage(self) -> Usage | None:
        """Return the upstream's usage as far as it was told."""
        ...

    @property
    def seconds(self) -> float:
        """Return the time since the request began."""
        ...

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield what clients may see; raise one LlmsError when the upstream fails on the way."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
