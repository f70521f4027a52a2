"""POST /v1/chat/completions: the main job."""

from __future__ import annotations

import asyncio
from typing import final

from aiohttp import web

from llms.gateway import Answer
from llms.gateway.exchange import Exchange
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import LlmsError
from llms.protocol.parse import parse_chat
from llms.protocol.sse import encode_chunk, escape_separators
from llms.server.access import Access
from llms.server.body import read_json
from llms.server.event_stream import EventStream
from llms.server.running import Task
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer


@final
class Chat:
    """Answer chat completions, streamed and whole."""

    def __init__(self, services: Services) -> None:
        """Take the gateway and what streams need."""
        self._services = services

    async def post(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer as the body's `stream` says."""
        return await self._answer(request, access, stream=None)

    async def post_stream(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer as a stream, whatever the body says."""
        return await self._answer(request, access, stream=True)

    async def _answer(self, request: web.Request, access: Access, *, stream: bool | None) -> web.StreamResponse:
        raw = await read_json(request, self._services)
        chat = parse_chat(raw, request_id=access.request_id, hops=access.hops, stream=stream)
        access.reported = True
        running = self._services.running
        task = running.enter()
        try:
            if chat.stream:
                return await self._stream(request, access, chat, task)
            return await self._whole(request, access, chat)
        except asyncio.CancelledError:
            error = running.ended(task)
            if error is None:
                raise
            raise error from None
        finally:
            running.leave(task)

    async def _whole(self, request: web.Request, access: Access, chat: ChatRequest) -> WholeAnswer:
        whole = await self._services.gateway.complete(chat, route=request.path, key_id=access.caller.key_id)
        headers = {**access.headers, **_routing_headers(whole.exchange)}
        return WholeAnswer(escape_separators(whole.completion.payload), headers)

    async def _stream(self, request: web.Request, access: Access, chat: ChatRequest, task: Task) -> web.StreamResponse:
        services = self._services
        events = EventStream(
            request,
            headers=access.headers,
            heartbeat=services.config.defaults.heartbeat,
            tasks=services.tasks,
            ticker=services.gateway.ticker,
        )
        try:
            answer = await services.gateway.chat(chat, route=request.path, key_id=access.caller.key_id)
            async with answer:
                await self._relay(answer, events)
        except asyncio.CancelledError:
            error = services.running.ended(task)
            if error is None:
                raise
            await _fail(events, error)
        except LlmsError as error:
            await _fail(events, error)
        finally:
            events.close()
        return events.response

    async def _relay(self, answer: Answer, events: EventStream) -> None:
        events.heartbeat = answer.heartbeat
        await events.commit(_routing_headers(answer.exchange))
        async for chunk in answer.chunks():
            data = escape_separators(encode_chunk(chunk))
            if chunk.final:
                await events.done(data)
            else:
                await events.write(data)


async def _fail(events: EventStream, error: LlmsError) -> None:
    """Tell the client of a failure: with a status while it has none, as an event after."""
    if not events.committed:
        await events.settle()
    if not events.committed:
        raise error
    await events.fail(error)


def _routing_headers(exchange: Exchange) -> dict[str, str]:
    headers = {
        "x-llms-provider": exchange.provider,
        "x-llms-model": exchange.model,
        "x-llms-attempts": str(exchange.attempts),
    }
    if exchange.upstream_request_id:
        headers["x-llms-upstream-request-id"] = exchange.upstream_request_id
    return headers
