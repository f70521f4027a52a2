"""What a fake upstream saw of one request, and how it reads one off the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final


@final
@dataclass(eq=False, slots=True)
class Seen:
    """One request as it arrived, and what became of its answer; times are in seconds of a monotonic clock."""

    method: str
    path: str
    """With its query, as sent."""
    headers: Mapping[str, str]
    """Names in lower case; a repeated header is joined by commas."""
    body: bytes
    json: Any
    """The decoded body; None when it is no JSON."""
    connection: int
    """1 for the first connection that the upstream accepted, 2 for the next: equal numbers share a connection."""
    arrived: float
    closed_by_client: float | None = None
    """When the client closed the connection (half-close counts) before the answer was complete."""
    finished: bool = False
    """The answer was played to its end."""
    _over: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _silent: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def stream(self) -> bool:
        """Tell whether the request asked for a stream."""
        return isinstance(self.json, dict) and self.json.get("stream") is True

    @property
    def asked_usage(self) -> bool:
        """Tell whether the request asked for usage at the end of its stream."""
        options = self.json.get("stream_options") if isinstance(self.json, dict) else None
        return isinstance(options, dict) and options.get("include_usage") is True

    async def gone(self, timeout: float = 5.0) -> float:  # noqa: ASYNC109  (a bound on a test's wait)
        """Wait until the client left in the middle of the answer; return when that was noticed.

        AssertionError when the answer was complete first, or when nobody left within `timeout` seconds.
        """
        await _within(self._over, timeout, "the client did not leave")
        if self.closed_by_client is None:
            raise AssertionError("the answer was complete before the client left")
        return self.closed_by_client

    async def over(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Wait until the answer is complete or the client gone."""
        await _within(self._over, timeout, "the answer is neither complete nor given up")

    async def silent(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Wait until the answer has reached a `stall()`."""
        await _within(self._silent, timeout, "the answer did not reach its stall()")

    def note_silent(self) -> None:
        """Say that the upstream sends no more for now."""
        self._silent.set()

    def note_finished(self) -> None:
        """Say that the answer is complete."""
        self.finished = True
        self._over.set()

    def note_left(self, now: float) -> None:
        """Say that the client left; nothing happens when the answer was complete before."""
        if not self._over.is_set():
            self.closed_by_client = now
            self._over.set()


async def _within(event: asyncio.Event, seconds: float, problem: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        raise AssertionError(f"{problem} within {seconds:g} s") from None


class Request(NamedTuple):
    """One HTTP/1.1 request, read whole."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def take_request(buffer: bytearray) -> Request | None:
    """Take the first request off a buffer; None while it is not whole; ValueError when it is no HTTP/1.1."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    first, *lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        before = headers.get(name.lower())
        headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
    found = _take_body(buffer, end + 4, headers)
    if found is None:
        return None
    body, after = found
    del buffer[:after]
    return Request(method, path, headers, body)


def wants_continue(buffer: bytearray) -> bool:
    """Tell whether the request at the head of a buffer waits for `100 Continue`."""
    end = buffer.find(b"\r\n\r\n")
    return end >= 0 and b"\r\nexpect: 100-continue" in bytes(buffer[:end]).lower()


def _take_body(buffer: bytearray, start: int, headers: Mapping[str, str]) -> tuple[bytes, int] | None:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return _unchunk(buffer, start)
    after = start + int(headers.get("content-length", "0"))
    return (bytes(buffer[start:after]), after) if len(buffer) >= after else None


def _unchunk(buffer: bytearray, place: int) -> tuple[bytes, int] | None:
    parts: list[bytes] = []
    while (end := buffer.find(b"\r\n", place)) >= 0:
        size = int(buffer[place:end].split(b";")[0], 16)
        after = end + 2 + size + 2
        if len(buffer) < after:
            return None
        if size == 0:
            return b"".join(parts), after
        parts.append(bytes(buffer[end + 2 : after - 2]))
        place = after
    return None


def decoded(body: bytes) -> Any:
    """Return the JSON value of a body; None when it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return None
