"""How many tokens a request has, as a provider of its model counts them."""

from __future__ import annotations

import asyncio
from typing import Final

from llms.gateway.fleet import Fleet
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import LlmsError, UpstreamRejected
from llms.providers.base import SupportsCounting
from llms.routing.catalog import Route

_PATIENCE: Final = 10.0
"""Seconds: clients ask often, and have to go on."""


async def counted(route: Route, fleet: Fleet, request: ChatRequest) -> int | None:
    """Return what the first provider of a route that can count says; None where none can.

    Raises UpstreamRejected when it finds the request itself wrong; an estimate would hide that.
    """
    for target in route.targets:
        member = fleet.members[target.provider]
        provider = member.provider
        if not isinstance(provider, SupportsCounting):
            continue
        try:
            with member.used():
                async with asyncio.timeout(_PATIENCE):
                    found = await provider.count_tokens(request.for_model(target.model))
        except UpstreamRejected as error:
            if error.http_status == 400:
                raise
            continue
        except (LlmsError, TimeoutError):
            continue
        if found is not None:
            return found
    return None
