"""Take hold of a target for an attempt: a slot of the model, where it has slots of its own, and one of its provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from llms.gateway.exchange import Exchange
from llms.gateway.fleet import Fleet
from llms.gateway.lease import Lease
from llms.policies.slots import Slots
from llms.protocol.errors import LlmsError
from llms.protocol.progress import Progress
from llms.routing.catalog import Target
from llms.routing.health import Health
from llms.streaming.deadline import Deadline


async def take_lease(
    target: Target,
    fleet: Fleet,
    deadline: Deadline,
    exchange: Exchange,
    progress: Progress | None,
    *,
    health: Health,
    clock: Callable[[], float],
) -> Lease:
    """Wait in the lines for the slots, first that of the model; raise an LlmsError where a line is full, or too long.

    In this order: who waits for a model must not keep others from the provider's other models.
    """
    member = fleet.members[target.provider]
    own = None if member.count_slots is None else member.slots_of(target.model)
    if own is not None:
        await _take(own, target, deadline, exchange, progress, clock)
    if not member.slots.take():
        try:
            await _take(member.slots, target, deadline, exchange, progress, clock)
        except BaseException:
            if own is not None:
                own.release(None)
            raise
    return Lease(target, member, own, health=health, deadline=deadline, clock=clock)


async def _take(
    slots: Slots,
    target: Target,
    deadline: Deadline,
    exchange: Exchange,
    progress: Progress | None,
    clock: Callable[[], float],
) -> None:
    if slots.take():
        return
    window, exchange.window = exchange.window, "queued"
    since = clock()
    deadline.arm(0, "no free slot in time")
    try:
        await slots.wait(exchange.key_id, progress=progress)
        exchange.window = window
    except asyncio.CancelledError as cancelled:
        raise deadline.caught(target.provider) or cancelled from None
    except LlmsError:
        exchange.window = window
        raise
    finally:
        deadline.disarm()
        exchange.queued += clock() - since
