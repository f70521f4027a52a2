"""Build the fleet of a configuration; providers whose row did not change stay in service as they are."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from llms.config.model import Config, ProviderRow
from llms.gateway.fleet import Fleet, Member
from llms.providers import registry
from llms.providers.base import ProviderSettings, Resources
from llms.routing.catalog import Catalog, named
from llms.routing.health import Health
from llms.routing.planner import Planner
from llms.stores import open_answer_store

if TYPE_CHECKING:
    from llms.gateway.sharing import Sharing
    from llms.stores.crew import Crew

_log = structlog.get_logger()


def assemble(
    config: Config,
    *,
    resources: Resources,
    health: Health,
    rng: random.Random,
    previous: Fleet | None = None,
    crew: Crew | None = None,
) -> Fleet:
    """Return the fleet of a configuration; nothing is sent to any upstream, and no broken row stops the others.

    The workers of a `crew` share the slots of its providers.
    """
    old: Mapping[str, Member] = previous.members if previous is not None else {}
    members = {
        name: old[name] if name in old and old[name].row == row else _build(row, resources, crew)
        for name, row in config.providers.items()
    }
    catalog = Catalog(
        {name: named(row) for name, row in config.models.items()},
        members,
        default=config.defaults.model,
        skipped=config.skipped,
    )
    for name, member in members.items():
        if member.listed is not None:
            catalog.set_list(name, member.listed)
    sharing = _sharing(config, resources, previous)
    return Fleet(config, members, catalog, Planner(health=health, rng=rng), sharing)


def dropped(previous: Fleet, current: Fleet) -> list[Member]:
    """Return the members that the current fleet does not use any more."""
    return [member for name, member in previous.members.items() if current.members.get(name) is not member]


def _sharing(config: Config, resources: Resources, previous: Fleet | None) -> Sharing | None:
    """Return what has requests share answers, once a row asks for it; it stays as long as the process."""
    if previous is not None and previous.sharing is not None:
        return previous.sharing
    if not any(row.single_flight or row.cache for row in config.models.values()):
        return None
    from llms.gateway.sharing import Sharing

    return Sharing(open_answer_store(config.stores.state, clock=resources.clock))


def _build(row: ProviderRow, resources: Resources, crew: Crew | None) -> Member:
    try:
        settings = ProviderSettings(
            name=row.name,
            type=row.type,
            options=registry.parse(row.type, row.options),
            connect_timeout=row.timeouts.connect,
            max_event=row.limits.max_event,
        )
        tally = crew.tally(row.name) if crew is not None and row.limits.concurrency else None
        return Member(row, registry.build(settings, resources), tally=tally)
    except (ImportError, registry.UnknownType, ValueError) as failure:
        problem = f"provider type {row.type!r} cannot be used: {_words(failure)}"
    except Exception as failure:
        _log.exception("provider failed to start", provider=row.name)
        problem = f"the provider failed to start with {type(failure).__name__}"
    _log.warning("provider is out of service", provider=row.name, problem=problem)
    return Member(row, None, problem=problem)


def _words(failure: Exception) -> str:
    """Say what is wrong; a pydantic error of a plugin's own would quote the value, which may be a secret."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(failure, pydantic.ValidationError):
        errors = failure.errors(include_url=False, include_input=False)
        return "; ".join(": ".join([*map(str, error["loc"]), error["msg"]]) for error in errors)
    return str(failure)
