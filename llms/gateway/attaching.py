"""Bring the bytes of links to providers that take no links, once for a request, however many targets it tries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, final

from llms.gateway.fleet import Fleet, Member
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import InvalidRequest
from llms.streaming.deadline import Deadline

if TYPE_CHECKING:
    from llms.attachments.fetch import Fetcher


@final
class Attaching:
    """One request and, once somebody needed them, the bytes of its links."""

    def __init__(self, request: ChatRequest, fetcher: Fetcher | None) -> None:
        """Fetch nothing yet; without a `fetcher` that of the internet is taken."""
        self._request = request
        self._fetcher = fetcher
        self._with_bytes: ChatRequest | None = None

    async def request_for(self, member: Member, model: str, fleet: Fleet, deadline: Deadline) -> ChatRequest:
        """Return the request as a provider can take it; raise InvalidRequest for links that are not fetched."""
        if not member.needs_bytes(model):
            return self._request
        if self._with_bytes is None:
            deadline.arm(0, "the links of the request were not fetched in time")
            try:
                self._with_bytes = await self._fetched(member, fleet)
            except asyncio.CancelledError as cancelled:
                raise deadline.caught(member.row.name) or cancelled from None
            finally:
                deadline.disarm()
        return self._with_bytes

    async def _fetched(self, member: Member, fleet: Fleet) -> ChatRequest:
        from llms.protocol.links import links, replaced

        found = links(self._request.body)
        if not found:
            return self._request
        rules = fleet.config.attachments
        if not rules.fetch:
            raise InvalidRequest(
                f"`{found[0].param}` is a link, and {member.row.name} takes bytes only: send it as a data: URL, or "
                "set attachments.fetch: true in providers.yaml.",
                param=found[0].param,
            )
        from llms.attachments.fetch import Fetcher

        data = await (self._fetcher or Fetcher()).fetch(found, rules)
        return self._request._replace(body=replaced(self._request.body, data), raw=None, original=None)
