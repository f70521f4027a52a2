"""Below routing: what aiohttp answers itself gets our envelope, and slow heads are cut."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from aiohttp import hdrs, http_exceptions, streams, web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from llms.protocol.errors import HeadersTooLarge, InternalError, InvalidRequest, LlmsError
from llms.server.access import own_headers
from llms.server.errors import INVALID_HTTP, respond
from llms.server.request_ids import RequestIds

_log = structlog.get_logger()
_LEAVING_SECONDS: Final = 3.0
"""For this long a client that left may take what was written for it."""
HEAD_SECONDS: Final = 15.0
"""A request's head may take this long from its first byte."""


class Connection(RequestHandler):
    """One client connection, or the part of one that requests take which are not plain."""

    __slots__ = (
        "_body",
        "_head_timer",
        "_ids",
    )

    def __init__(self, manager: web.Server, ids: RequestIds, **options: Any) -> None:
        super().__init__(manager, **options)
        self._ids = ids
        self._body: streams.StreamReader = streams.EMPTY_PAYLOAD
        """That of the last request whose head came."""
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect the first head in time."""
        super().connection_made(transport)
        self._head_timer = self._loop.call_later(HEAD_SECONDS, self._cut)

    def data_received(self, data: bytes) -> None:
        """Parse, and watch whether a head stays unfinished."""
        super().data_received(data)
        if self._messages:
            message, body = self._messages[-1]
            if not isinstance(message, _ErrInfo):
                self._body = body
            elif not self._body.is_eof():
                self._messages.pop()
                self._break_body(message.exc)
        if self._busy:
            self._stop_head_timer()
        elif self._head_timer is None and self._waiter is not None and not self._force_close:
            self._head_timer = self._loop.call_later(HEAD_SECONDS, self._cut)

    def _break_body(self, exc: BaseException | None) -> None:
        """Let whoever reads the body know that it went wrong; its request has one answer, and nothing follows."""
        self._body.set_exception(_error(400, exc))
        self._body.feed_eof()
        self.close()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Do nothing where nothing is held back: aiohttp asks twice a request, and parses an empty read for it."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    @property
    def is_idle(self) -> bool:
        """Tell whether this waits for a request."""
        waiter = self._waiter
        return not (waiter is None or waiter.done() or self._messages or self._force_close or self._close)

    @property
    def _busy(self) -> bool:
        return bool(self._messages) or self._request_in_progress

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of the timer."""
        self._stop_head_timer()
        super().connection_lost(exc)
        self._body = streams.EMPTY_PAYLOAD  # which would hold the connection that holds it

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer malformed HTTP in our envelope; nothing of it is echoed or logged with a traceback."""
        headers = own_headers(request, self._ids)
        if status >= 500 and not isinstance(exc, ConnectionError):
            _log.error("request failed", request_id=headers["x-request-id"], path=request.path, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        response = respond(_error(status, exc), headers)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Answer in our envelope, too, what the router refuses by itself (CONNECT); close behind what is unclear."""
        if isinstance(resp, web.HTTPException):
            resp = self.handle_error(request, 400)
        if _hides_the_next(request):
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        if not resp.keep_alive and request.content.is_eof():
            await self._let_leave()
        return finished

    async def _let_leave(self) -> None:
        """Say that nothing follows, and let the client close: closing on what it still sends would reset its answer."""
        transport = self.transport
        if transport is not None and transport.can_write_eof():
            self.close()
            transport.write_eof()
            await asyncio.sleep(_LEAVING_SECONDS)

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log a defect of ours; a client's malformed request is none."""
        if not isinstance(options.get("exc_info"), http_exceptions.HttpProcessingError | LlmsError):
            super().log_exception(*args, **options)

    def _cut(self) -> None:
        self._head_timer = None
        self.force_close()


def leave_soon(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport | None) -> None:
    """Have a client that has left take what was written for it, for a moment: its request would wait for that."""
    if transport is not None and transport.get_write_buffer_size():
        loop.call_later(_LEAVING_SECONDS, transport.abort)


def _error(status: int, exc: BaseException | None) -> LlmsError:
    if isinstance(exc, http_exceptions.LineTooLong) or (exc is not None and "Too many headers" in str(exc)):
        return HeadersTooLarge("The request line or a header is too long, or there are too many headers.")
    if status >= 500:
        return InternalError("The server failed on this request; its log has the cause.")
    return InvalidRequest("The request is not valid HTTP/1.1.", code=INVALID_HTTP)


def _hides_the_next(request: web.BaseRequest) -> bool:
    """Tell whether nobody can be sure of the request behind this one.

    aiohttp's parser loses what it read behind an Upgrade that it does not know, and takes the last trailer behind
    chunks for a header of the next request; a proxy of HTTP/1.0 has not understood chunks at all (RFC 9112, 6.1).
    """
    headers = request.headers
    return hdrs.UPGRADE in headers or hdrs.TRANSFER_ENCODING in headers
