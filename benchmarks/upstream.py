"""A cheap OpenAI upstream that answers as the user message says: `python -m benchmarks.upstream PORT`."""

import argparse
import asyncio
import heapq
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import orjson
import uvloop

from benchmarks.dialects import prompt_of, told
from benchmarks.http1 import LAST_CHUNK, Message, http_chunk
from benchmarks.script import MODEL, TAG_LENGTH, Script, completion, read_script

HOLE = "#" * TAG_LENGTH  # stands in prepared bytes where the tag goes
HEADERS = (  # as many as a provider behind a content network sends, since each costs a proxy its parsing
    b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nServer: bench\r\nVia: 1.1 bench-edge\r\n"
    b"X-Request-Id: req_00000000000000000000000000000000\r\nOpenAI-Version: 2020-10-01\r\n"
    b"OpenAI-Processing-Ms: 1\r\nX-RateLimit-Limit-Requests: 10000\r\nX-RateLimit-Remaining-Requests: 9999\r\n"
    b"X-RateLimit-Remaining-Tokens: 199999\r\nX-RateLimit-Reset-Requests: 6ms\r\n"
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"%bTransfer-Encoding: chunked\r\n\r\n" % HEADERS
)
PLAIN_HEAD = b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
MODELS = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "bench"}]}
BACKLOG = 4096
MOST_KINDS = 64


class Ticker:
    """Wake paced streams, each in its own phase, with one timer for all of them."""

    __slots__ = ("_aim", "_due", "_loop", "_number", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0
        self._aim = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def at(self, due: float, wake: Callable[[float], None]) -> None:
        """Call `wake(due)` once at loop time `due`."""
        self._number += 1
        heapq.heappush(self._due, (due, self._number, wake))
        if due < self._aim:
            self._take_aim()

    def _take_aim(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._aim = self._due[0][0] if self._due else math.inf
        self._timer = self._loop.call_at(self._aim, self._tick) if self._due else None

    def _tick(self) -> None:
        now = self._loop.time()
        self._aim = -math.inf  # those who call at() meanwhile need not aim
        while self._due and self._due[0][0] <= now:
            due, _, wake = heapq.heappop(self._due)
            wake(due)
        self._take_aim()


class PreparedAnswers:
    """Keep the bytes of each kind of answer, so that a request costs one replacement of the tag."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, Script, bool], list[bytes]] = {}
        self._plain: dict[Script, bytes] = {}

    def stream(self, path: str, script: Script, *, usage: bool) -> list[bytes]:
        """Return the writes of a streamed answer, the tag left out."""
        key = (path, replace(script, tag=HOLE), usage)
        if key not in self._streams:
            _make_room(self._streams)
            self._streams[key] = _stream_writes(path, key[1], usage=usage)
        return self._streams[key]

    def plain(self, script: Script) -> bytes:
        """Return the bytes of a plain answer, the tag left out."""
        key = replace(script, tag=HOLE)
        if key not in self._plain:
            _make_room(self._plain)
            self._plain[key] = _plain_answer(200, completion(key))
        return self._plain[key]


def _make_room(kinds: dict[Any, Any]) -> None:
    if len(kinds) >= MOST_KINDS:
        kinds.clear()


def _stream_writes(path: str, script: Script, *, usage: bool) -> list[bytes]:
    """Frame one event a chunk, as providers do, and join all into one write for a burst."""
    writes = [
        b"".join(http_chunk(event + b"\n\n") for event in block.split(b"\n\n")[:-1])
        for block in told(path, script, usage=usage)
    ]
    writes[0] = STREAM_HEAD + writes[0]
    writes[-1] += LAST_CHUNK
    return writes if script.interval_ms else [b"".join(writes)]


def _plain_answer(status: int, body: bytes) -> bytes:
    reason = b"OK" if status == 200 else b"Bad Request"
    return PLAIN_HEAD % (status, reason, HEADERS, len(body)) + body


class Exchange(asyncio.Protocol):
    """One connection of a client: requests one after another, no pipelining."""

    def __init__(self, ticker: Ticker, prepared: PreparedAnswers, opened: "set[Exchange]") -> None:
        self._opened = opened
        self._ticker = ticker
        self._prepared = prepared
        self._request = Message()
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count as open."""
        self._transport = cast(asyncio.Transport, transport)
        self._opened.add(self)

    def connection_lost(self, problem: Exception | None) -> None:
        """Count as closed; a paced stream stops at its next turn."""
        self._opened.discard(self)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole; refuse and close when it is none."""
        try:
            self._body.append(self._request.feed(data))
            if self._request.complete and self._request.rest:
                raise ValueError("pipelined requests are not served")
        except ValueError as problem:
            self._transport.write(_plain_answer(400, _error(problem)))
            self._transport.close()
            return
        if self._request.complete:
            self._answer()

    def _answer(self) -> None:
        body, start = b"".join(self._body), self._request.start
        self._request, self._body = Message(), []
        if not start.startswith(b"POST "):
            self._transport.write(_plain_answer(200, orjson.dumps(MODELS)))
            return
        try:
            request = orjson.loads(body)
            script = read_script(prompt_of(request))
        except (ValueError, LookupError, TypeError, AttributeError) as problem:
            self._transport.write(_plain_answer(400, _error(problem)))
            return
        self._play(start.split(b" ", 2)[1].decode(), request, script)

    def _play(self, path: str, request: dict[str, Any], script: Script) -> None:
        tag = script.tag.encode()
        if not request.get("stream") and ":stream" not in path:
            self._transport.write(self._prepared.plain(script).replace(HOLE.encode(), tag))
            return
        usage = bool((request.get("stream_options") or {}).get("include_usage"))
        writes = iter(self._prepared.stream(path, script, usage=usage))
        interval = script.interval_ms / 1000
        left = script.chunks if interval else 1

        def write(due: float) -> None:
            nonlocal left
            if self._transport.is_closing():
                return
            self._transport.write(next(writes).replace(HOLE.encode(), tag))
            left -= 1
            if left:
                self._ticker.at(due + interval, write)

        write(asyncio.get_running_loop().time())


def _error(problem: Exception) -> bytes:
    return orjson.dumps({"error": {"message": f"{type(problem).__name__}: {problem}", "type": "bench_error"}})


@asynccontextmanager
async def running_upstream(port: int = 0, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve on `port`, 0 for any free one, for the time of the block; yields the port."""
    loop, opened = asyncio.get_running_loop(), set[Exchange]()
    ticker, prepared = Ticker(loop), PreparedAnswers()
    server = await loop.create_server(lambda: Exchange(ticker, prepared, opened), host, port, backlog=BACKLOG)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for exchange in list(opened):
            exchange.abort()
        await asyncio.sleep(0)  # the aborted connections are told in the loop's next turn


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    async with running_upstream(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("port", type=int)
    uvloop.run(serve(arguments.parse_args().port))
