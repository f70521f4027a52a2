"""The bytes of a stream in a client's own dialect, read by read: whole events as they came, and what was noted."""

from __future__ import annotations

from collections.abc import Collection
from typing import final

from llms.protocol.errors import LlmsError, UpstreamProtocolError
from llms.protocol.native import Native
from llms.protocol.noting import Noting
from llms.protocol.refusals import error_for_event
from llms.protocol.sse import Decoder, EventTooLong


@final
class NativeReader:
    """Part the events, look closely only at reads that may tell of usage, an end or an error.

    After a feed, `error` holds what the upstream reported (what was returned came before it), and `done` tells that
    nothing follows. Line ends are LF, whatever they were, and a byte order mark is left out.
    """

    __slots__ = ("_at_border", "_decoder", "_noting", "_provider", "_secrets", "_signs", "done", "error")

    def __init__(self, noting: Noting, *, provider: str, max_event: int, secrets: Collection[str] = ()) -> None:
        """Take what notes; the provider's name and secrets are for error messages, `max_event` is in bytes."""
        self._noting = noting
        self._signs = noting.signs
        self._decoder = Decoder(max_event=max_event)
        self._at_border = False
        """The next byte begins an event."""
        self._provider = provider
        self._secrets = secrets
        self.done = False
        self.error: LlmsError | None = None

    @property
    def steady(self) -> NativeReader | None:
        """Return what counts the events of the next read that change nothing here; None within an event."""
        return self if self._at_border else None

    def count(self, data: bytes, /) -> int:
        """Return how many events `data` is; 0 unless it is whole events without anything to note."""
        if data[-2:] != b"\n\n" or b"\r" in data:
            return 0
        for sign in self._signs:
            if sign in data:
                return 0
        return data.count(b"\n\n")

    def feed(self, data: bytes) -> Native | None:
        """Return what one read completed; None when it completed nothing."""
        text = data
        if not self._at_border or data[-2:] != b"\n\n" or b"\r" in data:
            try:
                text = self._decoder.frames(data)
            except EventTooLong as problem:
                self.error = UpstreamProtocolError(f"{self._provider}: {problem}")
                return None
            self._at_border = self._decoder.idle
            if not text:
                return None
        for sign in self._signs:
            if sign in text:
                return self._noted(text)
        return Native(text, text.count(b"\n\n"), complete=self._noting.complete)

    def close(self, *, cut: bool = False) -> Native | None:
        """Return what the end of the body completed: an event without its blank line, and what was left out.

        Of a body that was cut, what is pending is half an event and left out.
        """
        if self._is_over():
            return None
        last = b"" if cut else self._decoder.rest().rstrip(b"\n")
        native = self._noted(last + b"\n\n") if last else None
        if self._is_over() or not self.complete:
            return native
        self.done = True
        return self._native((b"" if native is None else native.wire) + self._noting.ending())

    def _is_over(self) -> bool:
        return self.done or self.error is not None

    @property
    def complete(self) -> bool:
        """Tell whether the answer is all there, though its end may be missing."""
        return self._noting.complete

    def _noted(self, text: bytes) -> Native | None:
        """Note each event; what follows the end is left out, and so is an error, which is told in our own words."""
        end = 0
        for frame in text.split(b"\n\n")[:-1]:
            for name, data in self._decoder.parse(frame):
                failure = self._noting.event(name, data)
                if failure is not None:
                    self.error = error_for_event(failure, provider=self._provider, secrets=self._secrets)
                    return self._native(text[:end])
            end += len(frame) + 2
            if self._noting.done:
                self.done = True
                break
        return self._native(text[:end])

    def _native(self, wire: bytes) -> Native | None:
        noting = self._noting
        if not wire and not noting.complete:
            return None
        return Native(wire, wire.count(b"\n\n"), noting.usage, noting.finish, noting.complete)
