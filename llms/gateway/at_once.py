"""Begin a plain request at once, where nothing has to be waited for before it can be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llms.gateway.fleet import Fleet
from llms.gateway.inline import Inline
from llms.gateway.lease import Lease
from llms.gateway.speaking import speaks
from llms.gateway.started import Client, Started
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import ModelNotFound
from llms.routing.planner import Plan
from llms.streaming.deadline import Deadline

if TYPE_CHECKING:
    from llms.gateway.gateway import Gateway


def begin(gateway: Gateway, request: ChatRequest, client: Client, *, route: str, key_id: str) -> Inline | None:
    """Send a request to its first target; None, and nothing done, where that would have to wait for anything."""
    fleet = gateway.fleet
    original = request.original
    if fleet.sharing is not None or request.progress is not None:
        return None
    if original is not None and (original.refusal is not None or original.chats):
        return None
    try:
        way = fleet.catalog.resolve(request.model)
    except ModelNotFound:
        return None
    plan = fleet.planner.plan(way)
    inline = _begin(gateway, request, client, plan, fleet, route=route, key_id=key_id)
    if inline is None:
        fleet.planner.give_back(way)
    return inline


def _begin(
    gateway: Gateway, request: ChatRequest, client: Client, plan: Plan, fleet: Fleet, *, route: str, key_id: str
) -> Inline | None:
    target = plan.targets[0]
    member = fleet.members[target.provider]
    if member.begin is None or member.count_slots is not None or member.asks_bytes is not None:
        return None
    if request.original is not None and speaks(member.require(), request.original, target.model):
        return None
    if not member.slots.take():
        return None
    exchange = gateway.exchange(request, route=route, key_id=key_id, stream=request.stream)
    begun = None
    try:
        begun = member.begin(request.for_model(target.model), stream=request.stream)
    finally:
        if begun is None:
            exchange.forget()
            member.slots.release(None)
    if begun is None:
        return None
    exchange.attempted(target.provider, target.model, "first")
    exchange.overhead = exchange.elapsed()
    if not request.stream:
        exchange.window = "whole_answer"
    deadline = Deadline(gateway.ticker, total=member.row.timeouts.total)
    lease = Lease(target, member, None, health=gateway.health, deadline=deadline, clock=gateway.clock)
    lease.begun = begun
    return Inline(gateway, request, exchange, Started(plan, fleet, lease), begun, client)
