"""A stream that comes in the client's dialect from the upstream already."""

from __future__ import annotations

from typing import final

from llms.protocol.chat import Chunk
from llms.protocol.dialects import Telling, Told
from llms.protocol.errors import LlmsError


@final
class Passed:
    """Tell the upstream's own events; only what breaks a stream is told in words of ours."""

    __slots__ = ("_telling",)

    def __init__(self, telling: Telling) -> None:
        """Take who tells of an error."""
        self._telling = telling

    def chunk(self, chunk: Chunk, /) -> bytes:
        """Return the events as they came."""
        assert chunk.native is not None
        return chunk.native.wire

    def end(self, chunk: Chunk, told: Told, /) -> bytes:
        """Return the last events; an upstream ends its stream in its own way."""
        return self.chunk(chunk)

    def error(self, error: LlmsError, /) -> bytes:
        """Return what ends a stream that broke."""
        return self._telling.error(error)


_: type[Telling] = Passed
