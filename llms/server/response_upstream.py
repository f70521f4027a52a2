"""Responses that their provider keeps: every question about them goes there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, final

from aiohttp import web

from llms.gateway.fleet import Member
from llms.protocol.dialects.responses.telling import error_event
from llms.protocol.errors import InvalidRequest, LlmsError, UpstreamTimeout
from llms.protocol.sse import escape_separators
from llms.providers.base import SupportsStoredResponses
from llms.server.access import Access
from llms.server.event_stream import EventStream
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer
from llms.stores.responses import StoredResponse

_GONE: Final = 404


@final
class Upstream:
    """Ask the provider that keeps a response."""

    def __init__(self, services: Services) -> None:
        """Take the providers in service."""
        self._services = services

    async def get(self, request: web.Request, access: Access, row: StoredResponse) -> web.StreamResponse:
        """Answer the response as its provider tells it, as a stream where that is asked for."""
        if request.query.get("stream") == "true":
            return await self._stream(request, access, row)
        return await self._answer(access, row, "GET", "", request.rel_url.raw_query_string)

    async def delete(self, access: Access, row: StoredResponse) -> None:
        """Have the provider delete a response, unless it is gone there already."""
        try:
            await self._whole(access, row, "DELETE", "", "")
        except LlmsError as error:
            if error.http_status != _GONE:
                raise

    async def cancel(self, access: Access, row: StoredResponse) -> WholeAnswer:
        """Have the provider cancel a response."""
        return await self._answer(access, row, "POST", "/cancel", "")

    async def input_items(self, request: web.Request, access: Access, row: StoredResponse) -> WholeAnswer:
        """Answer the provider's list."""
        return await self._answer(access, row, "GET", "/input_items", request.rel_url.raw_query_string)

    async def _answer(self, access: Access, row: StoredResponse, method: str, what: str, query: str) -> WholeAnswer:
        body = await self._whole(access, row, method, what, query)
        return WholeAnswer(escape_separators(body), {**access.headers, "x-llms-provider": row.provider})

    async def _whole(self, access: Access, row: StoredResponse, method: str, what: str, query: str) -> bytes:
        member = self._member(row)
        patience = member.row.timeouts.answer
        try:
            with self._services.running.request(), member.used():
                async with (
                    asyncio.timeout(patience),
                    aclosing(_ask(member, row, method, what, query, access.hops)) as found,
                ):
                    return b"".join([piece async for piece in found])
        except TimeoutError:
            raise UpstreamTimeout(f"{row.provider}: no answer within {patience:g} s") from None

    async def _stream(self, request: web.Request, access: Access, row: StoredResponse) -> web.StreamResponse:
        member = self._member(row)
        named = {"x-llms-provider": row.provider}
        events = EventStream(request, access, self._services, headers=named, heartbeat=member.row.heartbeat)
        try:
            with self._services.running.request(access.request_id), member.used():
                query = request.rel_url.raw_query_string
                async with aclosing(_ask(member, row, "GET", "", query, access.hops)) as found:
                    while data := await _next(found, member):
                        await events.commit()
                        await events.write(data)
            await events.commit()
            await events.done(b"")
        except LlmsError as error:
            await events.fail(error, lambda failure: error_event(failure, number=0))
        finally:
            events.close()
        return events.response

    def _member(self, row: StoredResponse) -> Member:
        member = self._services.gateway.fleet.members.get(row.provider)
        if member is None or not isinstance(member.provider, SupportsStoredResponses):
            raise InvalidRequest(
                f"The response is kept by the provider {row.provider!r}, which is not in service any more.",
                param="response_id",
            )
        return member


async def _next(found: AsyncGenerator[bytes, None], member: Member) -> bytes:
    """Return the next events, b"" at the end; raise UpstreamTimeout after the silence that the row allows."""
    patience = member.row.timeouts.idle
    try:
        async with asyncio.timeout(patience):
            return await anext(found, b"")
    except TimeoutError:
        raise UpstreamTimeout(f"{member.row.name}: the upstream sent nothing for {patience:g} s") from None


def _ask(
    member: Member, row: StoredResponse, method: str, what: str, query: str, hops: int
) -> AsyncGenerator[bytes, None]:
    assert isinstance(member.provider, SupportsStoredResponses)
    return member.provider.stored(method, f"responses/{row.id}{what}", query, hops=hops)
