"""/v1/responses: answers that are kept, continued, made in the background, fetched, cancelled and deleted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.responses.asked import read
from llms.protocol.errors import LlmsError
from llms.protocol.sse import escape_separators
from llms.server.access import Access
from llms.server.body import read_json
from llms.server.event_stream import EventStream
from llms.server.response_background import Background, settled, wants_stream, without_events
from llms.server.response_making import Making
from llms.server.response_memory import Memory
from llms.server.response_pages import page
from llms.server.response_plan import planned
from llms.server.response_upstream import Upstream
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer


@final
class Responses:
    """Serve the responses of the caller's own key."""

    def __init__(self, services: Services) -> None:
        """Take the gateway, and the store that may keep them."""
        self._services = services
        self._background = Background(services)
        self._upstream = Upstream(services)

    async def post(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Make a response: streamed, whole, or in the background."""
        raw = await read_json(request, self._services)
        asked = read(raw, response_id=f"resp_{secrets.token_hex(24)}")
        memory = self._memory(access)
        asked, chat = await planned(asked, memory, access, self._services)
        if self._services.gateway.fleet.sharing is not None:
            chat = chat._replace(cache_control=request.headers.get("Cache-Control", ""))
        making = Making(
            asked,
            chat,
            route=request.path,
            owner=access.caller.key_id,
            memory=memory,
            services=self._services,
        )
        if asked.background and chat.original is None:
            return await self._background.start(request, access, asked, making)
        access.reported = True
        if asked.stream:
            return await self._stream(request, access, making)
        return await self._whole(access, chat, making)

    async def get(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer a response as it stands, or as the stream that tells it."""
        response_id = request.match_info["id"]
        if self._background.has(response_id, owner=access.caller.key_id):
            return await self._background.get(request, access, response_id)
        row = await self._memory(access).get(response_id)
        if row.provider:
            return await self._upstream.get(request, access, row)
        return _answer(without_events(row, stream=wants_stream(request)), access)

    async def delete(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Delete a response; one that is under way is cancelled before."""
        response_id = request.match_info["id"]
        memory = self._memory(access)
        # Before it is looked for: a worker of whose store it is gone already may still make it.
        self._background.forget(response_id, owner=access.caller.key_id)
        row = await memory.get(response_id)
        if row.provider:
            await self._upstream.delete(access, row)
        await memory.forget(response_id)
        return _answer({"id": response_id, "object": "response", "deleted": True}, access)

    async def cancel(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Stop a response that is made in the background; answer it as it stands."""
        response_id = request.match_info["id"]
        row = await self._memory(access).get(response_id)
        if row.provider:
            return await self._upstream.cancel(access, row)
        cancelled = self._background.cancel(response_id, owner=access.caller.key_id)
        return _answer(cancelled or settled(row), access)

    async def input_items(self, request: web.Request, access: Access) -> web.StreamResponse:
        """List what a response was made from, the newest first unless asked otherwise."""
        memory = self._memory(access)
        row = await memory.get(request.match_info["id"])
        if row.provider:
            return await self._upstream.input_items(request, access, row)
        return _answer(page(await memory.context(row), request.query), access)

    def _memory(self, access: Access) -> Memory:
        return Memory(self._services, owner=access.caller.key_id)

    async def _whole(self, access: Access, chat: ChatRequest, making: Making) -> WholeAnswer:
        with self._services.running.request(chat.request_id):
            body, headers = await making.whole()
        return WholeAnswer(body, {**access.headers, **headers})

    async def _stream(self, request: web.Request, access: Access, making: Making) -> web.StreamResponse:
        events = EventStream(request, access, self._services)
        try:
            await _relay(making, events)
        finally:
            events.close()
        return events.response


@final
class _Heading:
    """What the stream is committed with."""

    __slots__ = ("headers", "heartbeat")

    def __init__(self) -> None:
        self.headers: Mapping[str, str] = {}
        self.heartbeat: float | None = None


async def _relay(making: Making, events: EventStream) -> None:
    """Send all events; raise an LlmsError while there is no status yet."""
    heading = _Heading()
    begun = False
    try:
        async with aclosing(making.events(heading, client=events)) as told:
            async for data in told:
                if not begun:
                    begun = True
                    await events.commit(heading.headers)
                events.heartbeat = events.heartbeat if heading.heartbeat is None else heading.heartbeat
                await events.write(data)
        await events.done(b"")
    except LlmsError as error:
        await events.fail(error, making.telling.error)


def _answer(value: Any, access: Access) -> WholeAnswer:
    return WholeAnswer(escape_separators(json.dumps(value)), access.headers)
