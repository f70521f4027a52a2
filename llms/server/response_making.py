"""One response while it is made: asked for, told, and kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, Protocol, final

from llms.gateway import Answering
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.dialects.responses.asked import Asked
from llms.protocol.dialects.responses.frame import Frame
from llms.protocol.dialects.responses.telling import ResponseTelling, whole
from llms.protocol.errors import Cancelled, LlmsError
from llms.protocol.frames import let_go
from llms.protocol.sse import Decoder, escape_separators
from llms.server.errors import stopping
from llms.server.response_memory import Memory
from llms.server.routing_headers import routing_headers
from llms.server.services import Services
from llms.server.sinks import Outlet, told, unchanged
from llms.stores.responses import StoredResponse

_NUMBER: Final = b'"sequence_number":'
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_LEFT: Final = "The client left."


class Heading(Protocol):
    """What is known of an answer before its first event."""

    headers: Mapping[str, str]
    heartbeat: float | None


@final
class Making:
    """One response; asked for once, as a stream or as a whole."""

    def __init__(
        self, asked: Asked, chat: ChatRequest, *, route: str, owner: str, memory: Memory, services: Services
    ) -> None:
        """Take the request, and the chat that it was translated to."""
        self.keeps = asked.store and memory.keeps
        self._asked = asked
        self._chat = chat
        self._route = route
        self._owner = owner
        self._memory = memory
        self._services = services
        self._frame = Frame(asked, created=int(services.now()), stored=self.keeps)
        self.telling = ResponseTelling(self._frame, now=services.now)
        self._last = b""
        """The upstream's own events that were passed on last."""

    async def whole(self) -> tuple[bytes, Mapping[str, str]]:
        """Return the JSON text of the response, and the headers that say who made it; raise an LlmsError."""
        answered = await self._services.gateway.complete(self._chat, route=self._route, key_id=self._owner)
        native = answered.completion.native
        exchange = answered.exchange
        if native is not None:
            self._remember(json.loads(native.wire), exchange.provider, exchange.model)
            return native.wire, routing_headers(exchange)
        now = int(self._services.now())
        response, sealed = whole(self._frame, answered.completion.object, answered, now=now)
        if self.keeps:
            await self._memory.keep(self._memory.row(self._asked, response, sealed))
        return escape_separators(json.dumps(response)), routing_headers(exchange)

    async def events(self, heading: Heading, *, client: Outlet | None = None) -> AsyncGenerator[bytes, None]:
        """Yield whole events to the end of the stream; raise an LlmsError while there is none.

        Whoever cancels this stops the upstream. What the upstream tells may go to the `client` at once instead
        of being yielded.
        """
        running = self._services.running
        task = running.enter(self._chat.request_id)
        try:
            answer = await self._services.gateway.chat(self._chat, route=self._route, key_id=self._owner)
            async with answer:
                heading.headers = routing_headers(answer.exchange)
                heading.heartbeat = answer.heartbeat
                self._shorten(answer, client)
                async for chunk in answer.chunks():
                    if data := await self._told(chunk, answer):
                        yield data
        except (asyncio.CancelledError, GeneratorExit) as left:
            error = running.ended(task) if isinstance(left, asyncio.CancelledError) else None
            if error is None:
                # Nobody leaves what is made in the background, and who cancels it has broken it off already.
                self.break_off(stopping() if self._asked.background else Cancelled(_LEFT))
                raise
            yield self._failed(error)
        except LlmsError as error:
            yield self._failed(error)
        finally:
            running.leave(task)

    def _shorten(self, answer: Answering, client: Outlet | None) -> None:
        """Let events go on without waking anybody, as long as only text comes."""
        short_cut = answer.short_cut
        if client is None or short_cut is None or not self._services.config.server.fast_path:
            return

        def pass_on(data: bytes) -> bool:
            if not client.pass_on(data):
                return False
            self._last = data
            return True

        short_cut.sink = unchanged(pass_on) if answer.native else told(client, self.telling)

    def queue(self) -> bytes:
        """Return the events of a response that is made in the background, before all others."""
        return self.telling.queue()

    def break_off(self, error: LlmsError) -> None:
        """End the response where it stands, unless it has come to its end."""
        if self.telling.response is not None and not self.telling.over:
            self.telling.break_off(error)
            self.note()

    async def keep(self) -> None:
        """Have the response kept as it stands."""
        if self.keeps and self.telling.response is not None:
            await self._memory.keep(self._row())

    def note(self) -> None:
        """Have the response kept as it stands, without waiting for that."""
        if self.keeps and self.telling.response is not None:
            self._memory.note(self._row())

    def let_go(self) -> None:
        """Hold no longer what was asked, which may be long, once the response is over and kept."""
        self._asked = self._frame.asked = self._asked._replace(body={}, items=())
        self._chat = self._chat._replace(body={}, raw=None, original=None)

    def _failed(self, error: LlmsError) -> bytes:
        """Return the events that tell of an error; raise it where nothing was told yet."""
        if self._last:
            self.telling.go_on_from(_number_of(self._last) + 1)
        elif self.telling.response is None:
            raise error
        events = self.telling.error(error)
        let_go(error)
        self.note()
        return events

    async def _told(self, chunk: Chunk, answer: Answering) -> bytes:
        if chunk.native is not None:
            return self._passed(chunk.native.wire, answer)
        if chunk.final:
            data = self.telling.end(chunk, answer)
            await self.keep()
            return data
        begins = self.telling.response is None
        data = self.telling.chunk(chunk)
        if begins:
            self.note()
        return data

    def _passed(self, wire: bytes, answer: Answering) -> bytes:
        if not self._last and wire:
            first = next(iter(Decoder().feed(wire)), (b"", b"{}"))[1]
            self._remember(_response_in(first), answer.exchange.provider, answer.exchange.model)
        self._last = wire or self._last
        return wire

    def _remember(self, response: Any, provider: str, model: str) -> None:
        """Remember who keeps a response that was passed on."""
        named = response.get("id") if isinstance(response, dict) else None
        if self.keeps and isinstance(named, str) and _ID.fullmatch(named):
            self._memory.note(self._memory.row_of(named, provider=provider, model=model))

    def _row(self) -> StoredResponse:
        assert self.telling.response is not None
        return self._memory.row(self._asked, self.telling.response, self.telling.sealed)


def _response_in(data: bytes) -> Any:
    try:
        event = json.loads(data)
    except ValueError:
        return None
    return event.get("response") if isinstance(event, dict) else None


def _number_of(events: bytes) -> int:
    """Return the number of the last event that has one."""
    digits = events.rpartition(_NUMBER)[2].lstrip()
    end = next((at for at, byte in enumerate(digits) if not 48 <= byte <= 57), len(digits))
    return int(digits[:end] or 0)
