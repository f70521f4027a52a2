"""One plain request and its answer: what the handlers of chats use of a request, without aiohttp's machinery."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, final

from aiohttp import HttpVersion, HttpVersion11, web
from aiohttp.helpers import rfc822_formatted_time

from llms.server.plain_head import PlainHead
from llms.server.whole_answer import WholeAnswer

if TYPE_CHECKING:
    from llms.server.access import Access
    from llms.server.hot_connection import HotConnection
    from llms.server.inline_chat import InlineChat

_OK: Final = "200 OK"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@final
class PlainExchange:
    """A request read whole, and the outlet of its answer.

    The connection goes on to its next request when this one is over, or is closed when its handler wants that.
    """

    version: ClassVar[HttpVersion] = HttpVersion11
    method: ClassVar[str] = "POST"
    cookies: ClassVar[Mapping[str, str]] = _NONE
    chunked: ClassVar[bool] = True

    __slots__ = ("_body", "_connection", "_head", "_response", "access", "begun", "head", "headers", "inline", "task")

    def __init__(self, connection: HotConnection, head: PlainHead, body: bytes) -> None:
        """Take what was read, and where the answer goes."""
        self._connection = connection
        self._body = body
        self._head = b""
        self._response: web.StreamResponse | None = None
        self.head = head
        self.headers = head.headers
        self.begun = False
        """The head of the answer is settled."""
        self.access: Access | None = None
        """What the front door found out, once it was asked."""
        self.inline: InlineChat | None = None
        """Who answers without a task, or did so up to a point."""
        self.task: asyncio.Task[None] | None = None
        """Who answers otherwise."""

    # -- the request -------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Return the target, which has no query."""
        return self.head.line[5:-9]

    raw_path = path

    def read(self) -> bytes:
        """Return the body."""
        return self._body

    # -- the answer --------------------------------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport | None:
        """Return where the bytes go; None when the client is gone."""
        return self._connection.transport

    @property
    def writing_paused(self) -> bool:
        """Tell whether the client is slow."""
        return self._connection.writing_paused

    @property
    def response(self) -> web.StreamResponse:
        """Return what the handler of a stream returns."""
        if self._response is None:
            self._response = web.StreamResponse()
        return self._response

    def send(self, response: web.StreamResponse) -> None:
        """Send what a handler returned, unless it is a stream, which has gone its way."""
        if isinstance(response, WholeAnswer):
            kind = {"Content-Type": "application/json"}
            self._write(head(_OK, {**response.own, **kind}, length=len(response.whole)) + response.whole)
        elif isinstance(response, web.Response):
            body = response.body if isinstance(response.body, bytes) else b""
            status = f"{response.status} {response.reason}"
            headers = {name: value for name, value in response.headers.items() if name != "Content-Length"}
            closing = {"Connection": "close"} if response.keep_alive is False else {}
            self._write(head(status, headers, closing, length=len(body)) + body)

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Settle the head of a stream; it goes out with what is written next."""
        self._head = head(_OK, headers)
        self.begun = True

    def flush(self) -> None:
        """Send the head at once."""
        if self._head:
            self._write(b"")

    async def write(self, data: bytes) -> None:
        """Send a piece of the stream; wait while the client is slow."""
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if data else b"")
        if self._connection.writing_paused:
            await self._connection.drain()

    async def end(self, data: bytes) -> None:
        """Send the last piece."""
        self._write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n")
        if self._connection.writing_paused:
            await self._connection.drain()

    def send_now(self, data: bytes) -> None:
        """Send bytes that are framed already; raise ConnectionError when the client is gone."""
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(data)

    def go_on(self) -> asyncio.Task[None]:
        """Have a task go on with what was answered inline so far."""
        return self._connection.go_on(self)

    def need_task(self) -> None:
        """Have a task go on with what is answered inline."""
        if self.task is None and self.inline is not None:
            self.inline.cancel()

    def left(self) -> None:
        """Stop whoever answers: the client has left."""
        if self.task is not None:
            self.task.cancel()
        elif self.inline is not None:
            self.inline.leave()
        self.inline = None

    def over(self, *, keeps: bool) -> None:
        """Let the connection go on to its next request, or have it closed; let go of who answered, who holds this."""
        self.inline = None
        self._connection.over(keeps=keeps)

    def _write(self, data: bytes) -> None:
        waiting, self._head = self._head, b""
        if waiting or data:
            self.send_now(waiting + data if waiting else data)


Asked = web.Request | PlainExchange
"""A request, by either way."""


def head(
    status: str, headers: Mapping[str, str], last: Mapping[str, str] = _NONE, *, length: int | None = None
) -> bytes:
    """Return the head of an answer, with its Date and framing: of chunks where no `length` is given.

    The headers are those that come before these, and those that come `last`.

    Raises ValueError where a value would end its line.
    """
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    ends = [f"{name}: {value}\r\n" for name, value in last.items()] if last else ()
    text = f"HTTP/1.1 {status}\r\n{''.join(lines)}{framing}\r\nDate: {rfc822_formatted_time()}\r\n{''.join(ends)}\r\n"
    breaks = len(lines) + len(ends) + 4
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise ValueError("a header holds a line break")
    return text.encode()
