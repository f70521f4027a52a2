"""What is left of a route for a request that not every provider can take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llms.gateway.fleet import Fleet
from llms.providers.base import Provider
from llms.routing.catalog import Route, Target


def able_only(route: Route, fleet: Fleet, *, can: Callable[[Provider, str], bool], lack: str) -> Route | None:
    """Return a route without the targets that cannot do it, for which `lack` is noted; None where none is left.

    `can` is asked with a provider and the model at it. A provider out of service stays: it shall say that instead.
    """

    def cannot(target: Target) -> bool:
        provider = fleet.members[target.provider].provider
        return provider is not None and not can(provider, target.model)

    unable = tuple(target for target in route.targets if cannot(target))
    overflow = route.overflow
    if overflow is not None and cannot(overflow):
        overflow = None
    if not unable and overflow is route.overflow:
        return route
    targets = tuple(target for target in route.targets if target not in unable)
    if not targets:
        return None
    left_out = (*route.left_out, *((target, lack) for target in unable))
    return replace(route, targets=targets, overflow=overflow, left_out=left_out)
