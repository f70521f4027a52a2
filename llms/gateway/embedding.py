"""Embeddings at one target: which targets make any, and the whole answer as the client asked for it."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from llms.gateway.able import able_only
from llms.gateway.exchange import Exchange
from llms.gateway.fleet import Fleet
from llms.gateway.lease import Lease
from llms.protocol.embeddings import EmbeddingRequest
from llms.protocol.errors import NotSupported, excerpt
from llms.protocol.vectors import Steps, Written, write
from llms.providers.base import Provider, SupportsEmbeddings
from llms.routing.catalog import Route

_TURN: Final = 0.002
"""Seconds of work on vectors after which others get their turn."""
_MOST_NAMED: Final = 5
_NO_EMBEDDINGS: Final = "its provider makes no embeddings"


class Embedded(NamedTuple):
    """A whole answer for a client and where it came from."""

    payload: bytes
    exchange: Exchange


def able(route: Route, fleet: Fleet) -> Route:
    """Return a route without the targets whose provider makes no embeddings; NotSupported when none is left."""
    found = able_only(route, fleet, can=lambda provider, _: _can(provider), lack=_NO_EMBEDDINGS)
    if found is None:
        raise _not_supported(route, fleet)
    return found


async def embed(lease: Lease, request: EmbeddingRequest, exchange: Exchange) -> Embedded:
    """Wait for the vectors and write them for the client."""
    provider = lease.member.require()
    assert isinstance(provider, SupportsEmbeddings)
    work = provider.embed(request.for_model(lease.target.model))
    found = await lease.wait(work, lease.member.row.timeouts.answer, "no answer within {:g} s")
    exchange.upstream_request_id = found.upstream_request_id
    written = await _in_turns(write(found, request.for_model(lease.target.model), provider=lease.target.provider))
    lease.committed()
    exchange.ttft = exchange.elapsed()
    exchange.usage = written.usage or exchange.usage
    lease.deadline.close()
    await lease.close()
    return Embedded(written.payload, exchange)


async def _in_turns(work: Steps) -> Written:
    """Do work step by step; nobody else waits long for a turn meanwhile."""
    now = asyncio.get_running_loop().time
    due = now() + _TURN
    while True:
        try:
            next(work)
        except StopIteration as done:
            written: Written = done.value
            return written
        if now() >= due:
            await asyncio.sleep(0)
            due = now() + _TURN


def _can(provider: Provider) -> bool:
    return isinstance(provider, SupportsEmbeddings)


def _not_supported(route: Route, fleet: Fleet) -> NotSupported:
    providers = [
        name for name, member in fleet.members.items() if member.provider is not None and _can(member.provider)
    ]
    told = f'The model "{excerpt(route.name)}" makes no embeddings.'
    if not providers:
        return NotSupported(f"{told} No provider of this server does.", param="model")
    listed = [name for name, _, _ in fleet.catalog.entries() if "embed" in name.lower()][:_MOST_NAMED]
    such = f", for example {', '.join(listed)}" if listed else ""
    return NotSupported(f"{told} Ask for an embedding model of {', '.join(providers)}{such}.", param="model")
