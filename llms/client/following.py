"""A stream over as many connections as it takes: read it, take it up again, poll it, or say honestly that it broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, final

import aiohttp

from llms.client.answers import StreamingChunk
from llms.client.connection import BROKEN, Connection, reason
from llms.client.errors import Refused, StreamBroken, StreamLost, Unreachable, seconds, stream_failed
from llms.client.reading import Garbled, Reading

Progress = Callable[[Mapping[str, Any]], None]
"""Hears the figures of `X-LLMS-Stream: progress`: `state`, `tokens`, `eta_ms` and so on."""

_BEYOND_TEXT: Final = ("tools", "functions")


@final
class Following:
    """Follow one stream to its end. What it knows stands in `reading`."""

    def __init__(
        self, connection: Connection, body: Mapping[str, Any], *, progress: Progress | None, or_whole: bool
    ) -> None:
        """Ask nothing yet; `or_whole` asks for a whole answer where the stream breaks before it brought anything."""
        self.reading = Reading()
        self.id = ""
        """The server's name for the stream, where it can be resumed."""
        self.request_id = ""
        self.reconnects = 0
        self._connection = connection
        self._patience = connection.patience
        self._body = body
        self._progress = progress
        self._or_whole = or_whole
        self._failures = 0
        """Tries in a row that brought no event."""
        self._retry_after: float | None = None
        self._is_expired = False
        """The events that have to follow are no longer kept."""
        self._loss = "the answer ended before it was whole"

    async def run(self) -> AsyncGenerator[StreamingChunk, None]:
        """Yield the pieces of the answer, each once; raise a ClientError; cancel what is left before its end."""
        try:
            async with aclosing(self._stream()) as pieces:
                async for piece in pieces:
                    yield piece
        except StreamBroken as broken:
            if not (self._or_whole and self.reading.is_empty) or broken.code == "cancelled":
                raise
            for piece in await self._answer_whole():
                yield piece

    @property
    def is_open(self) -> bool:
        """Tell whether there is something left to cancel."""
        return self.id in self._connection.streams

    async def cancel(self) -> bool:
        """Cancel the stream; tell whether it was under way."""
        if not self.is_open:
            return False
        answer = await self._connection.json("DELETE", f"streams/{self.id}", wants="cancelled")
        return bool(answer["cancelled"])

    async def _stream(self) -> AsyncGenerator[StreamingChunk, None]:
        try:
            found: aiohttp.ClientResponse | dict[str, Any] = await self._ask()
            while True:
                pieces = self._catch_up(found) if isinstance(found, dict) else self._follow(found)
                async with aclosing(pieces):
                    async for piece in pieces:
                        yield piece
                if self.reading.done:
                    self._over()
                    return
                found = await self._come_back()
        finally:
            if self.is_open:
                await self._connection.leave(self.id)

    async def _answer_whole(self) -> list[StreamingChunk]:
        body = {name: value for name, value in self._body.items() if name not in ("stream", "stream_options")}
        return self.reading.whole(await self._connection.json("POST", "chat/completions", body=body, wants="choices"))

    async def _ask(self) -> aiohttp.ClientResponse:
        wanted = "resumable" if self._progress is None else "resumable, progress"
        response = await self._connection.ask(
            "POST", "chat/completions", body=self._body, headers={"X-LLMS-Stream": wanted}
        )
        self.id = response.headers.get("X-LLMS-Stream-Id", "")
        self.request_id = response.headers.get("x-request-id", "")
        if self.id:
            self._connection.streams.add(self.id)
        return response

    async def _follow(self, response: aiohttp.ClientResponse) -> AsyncGenerator[StreamingChunk, None]:
        """Yield what one connection brings, to the end of the stream or of the connection."""
        reading = self.reading
        reading.connected()
        try:
            is_stream = response.content_type == "text/event-stream"
            while not reading.done and reading.error is None:
                found = await self._some(response) if is_stream else await self._no_stream(response)
                self._tell()
                for piece in found or ():
                    yield piece
                if found is None:
                    break
        except BROKEN as failure:
            self._loss = reason(failure)
        except Garbled as problem:
            raise self._lost(f"what arrived cannot be read: {problem}", code="upstream_protocol_error") from None
        finally:
            response.close()
        if reading.error is not None:
            self._judge(reading.error)

    async def _some(self, response: aiohttp.ClientResponse) -> list[StreamingChunk] | None:
        """Return what the next bytes bring; None at the end of the body, BROKEN for one that is lost."""
        before = self.reading.last
        async with asyncio.timeout(self._patience.silence if self.id else None):
            data = await response.content.readany()
        if data:
            found = self.reading.feed(data)
            if self.reading.last > before:
                self._failures = 0
            return found
        return None if self.id else self._ended()

    def _ended(self) -> list[StreamingChunk] | None:
        """Take the end of a body that nothing can follow: some servers forget `[DONE]` after a finish reason."""
        found = self.reading.close()
        self.reading.done = self.reading.done or self.reading.finish_reason is not None
        return found if found or self.reading.done else None

    async def _no_stream(self, response: aiohttp.ClientResponse) -> list[StreamingChunk]:
        """Return the pieces of an answer that came whole, though a stream was asked for."""
        return self.reading.whole(await self._connection.decoded(response, wants="choices"))

    def _tell(self) -> None:
        figures, self.reading.progress = self.reading.progress, None
        if self._progress is not None and figures is not None:
            self._progress(figures)

    def _judge(self, told: Mapping[str, Any]) -> None:
        """Raise what an error event says, unless the stream goes on elsewhere."""
        self._is_expired = told.get("code") == "replay_expired"
        if not self.id or not (self._is_expired or told.get("resumable") is True):
            self._over()
            raise stream_failed(told, partial=self.reading.text, request_id=self.request_id)
        self._loss = str(told.get("message") or self._loss)
        self._retry_after = seconds(told.get("retry_after"))

    # -- after a loss -------------------------------------------------------------------------------------------

    async def _come_back(self) -> aiohttp.ClientResponse | dict[str, Any]:
        """Return a connection that goes on, or, where none does, how far the stream is."""
        if not self.id:
            raise self._lost(f"The stream broke, and this server cannot resume it: {self._loss}")
        while self._failures < self._patience.reconnects and not self._is_expired:
            await self._patience.pause(self._failures, self._retry_after)
            self._retry_after = None
            self._failures += 1
            self.reconnects += 1
            try:
                response = await self._resume()
            except Unreachable as failure:
                self._loss = failure.message
                continue
            if response is not None:
                return response
        if not self._is_expired:
            await self._patience.sleep(self._patience.poll)
        self._is_expired = False
        return await self._state()

    async def _resume(self) -> aiohttp.ClientResponse | None:
        """Return a connection with what follows; None where this try brought none."""
        path = f"streams/{self.id}?starting_after={self.reading.last}"
        try:
            response = await self._connection.once("GET", path, headers={"Accept": "text/event-stream"})
        except Refused as refusal:
            self._is_expired = refusal.code == "replay_expired"
            if not self._is_expired and not self._patience.allows(refusal):
                raise self._refused(refusal) from None
            self._loss, self._retry_after = refusal.message, refusal.retry_after
            return None
        if response.status == 200 and response.content_type == "text/event-stream":
            return response
        response.close()
        self._is_expired = response.status == 204  # nothing follows: what became of the stream is in its state
        return None

    async def _state(self) -> dict[str, Any]:
        try:
            return await self._connection.json("GET", f"streams/{self.id}", wants="status")
        except Refused as refusal:
            raise self._refused(refusal) from None
        except Unreachable:
            self._over()
            raise self._lost(f"The stream broke, and could not be taken up again: {self._loss}") from None

    async def _catch_up(self, state: dict[str, Any]) -> AsyncGenerator[StreamingChunk, None]:
        """Yield the text that came while no events could be had; raise where text is not all that was asked for."""
        if any(self._body.get(field) for field in _BEYOND_TEXT) or self._body.get("n", 1) != 1:
            raise self._lost(f"Events of the stream were lost that its text cannot replace: {self._loss}")
        try:
            piece = self.reading.catch_up(state)
        except Garbled as problem:
            raise self._lost(f"Events of the stream were lost: {problem}.", code="replay_expired") from None
        if piece is not None:
            if self._failures < self._patience.reconnects:
                self._failures = 0
            yield piece
        if (error := state.get("error")) is not None:
            self._over()
            raise stream_failed(error, partial=self.reading.text, request_id=self.request_id)

    def _over(self) -> None:
        self._connection.streams.discard(self.id)

    def _refused(self, refusal: Refused) -> StreamLost:
        if refusal.status == 404:
            self._over()
        error = self._lost(f"The stream broke, and the server does not resume it: {refusal.message}", refusal.code)
        error.status, error.retry_after = refusal.status, refusal.retry_after
        return error

    def _lost(self, message: str, code: str = "upstream_truncated") -> StreamLost:
        return StreamLost(message, code=code, request_id=self.request_id, partial=self.reading.text)
