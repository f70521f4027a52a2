"""Providers as the API tells them: where each comes from, how it is, and which could be added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from llms.config.model import ProviderRow
from llms.gateway import Member
from llms.gateway.changes import takes_key
from llms.gateway.roster import DISABLED, SWITCHED_OFF, Entry
from llms.providers import discover
from llms.providers.known import KNOWN, Known
from llms.routing.catalog import Target
from llms.routing.health import Health
from llms.server.services import Services

_MOST_TARGETS: Final = 20


def provider_row(entry: Entry, services: Services) -> dict[str, Any]:
    """Return one provider. No key is in it but the last characters of one that was entered here."""
    member = services.gateway.fleet.members.get(entry.name)
    problem = entry.lacks or (member.problem.removeprefix(f"{entry.name}: ") if member is not None else "")
    return {
        "object": "provider",
        "name": entry.name,
        "type": entry.type,
        "source": entry.source,
        "found": entry.why,
        "enabled": entry.lacks not in (DISABLED, SWITCHED_OFF),
        "up": _is_up(member),
        "problem": problem,
        "models": len(member.listed) if member is not None and member.listed is not None else None,
        "key": _key(entry),
        "host": _host(entry.row),
        "running": sum(1 for exchange in services.gateway.live if exchange.provider == entry.name),
        "waiting": member.slots.waiting if member is not None else 0,
        "health": _health(member, services) if member is not None else [],
    }


def addable(services: Services) -> list[dict[str, Any]]:
    """Return the well-known types that no provider is named after, and how to get each."""
    entries = services.roster.entries()
    rows = [_known(row, services) for name, row in KNOWN.items() if name not in entries]
    hint = discover.local_hint()
    if hint is not None and "local" not in entries:
        rows.append(
            {"type": "llama_cpp", "name": "local", "needs_key": False, "variables": [], "hint": hint, "host": None}
        )
    return rows


def _is_up(member: Member | None) -> bool | None:
    """Return None for one that was not heard of yet."""
    if member is None or member.problem:
        return False
    return None if member.listed is None else True


def _key(entry: Entry) -> dict[str, Any]:
    has_entered = entry.key == "entered" or bool(entry.outranked)
    return {
        "state": entry.key,
        "takes": takes_key(entry),
        "ending": entry.ending or None,
        "kept": ("file" if entry.is_kept else "memory") if has_entered else None,
        "outranked": entry.outranked or None,
    }


def _host(row: ProviderRow | None) -> str | None:
    """Return host and port of a provider's address; the rest of an address may hold a secret."""
    if row is None:
        return None
    nested = row.options.get("options")
    known = KNOWN.get(row.type)
    address = row.options.get("base_url") or (nested.get("base_url") if isinstance(nested, Mapping) else None)
    return _authority(str(address or (known.base_url if known is not None else "")))


def _authority(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    return f"{parts.hostname}:{port}" if parts.hostname and port else parts.hostname


def _health(member: Member, services: Services) -> list[dict[str, Any]]:
    """Return what is known of the targets that had requests, the worst first."""
    health = services.gateway.health
    tried = [target for target in _targets(member, services) if _was_tried(target, health)]
    tried.sort(key=health.badness, reverse=True)
    return [
        {"model": target.model, "breaker": health.state(target), "line": health.describe(target)}
        for target in tried[:_MOST_TARGETS]
    ]


def _targets(member: Member, services: Services) -> Iterator[Target]:
    """Yield the models that a provider lists, and those that `models:` names."""
    own = member.row.name
    named = (each.target.partition("/") for row in services.config.models.values() for each in row.targets)
    listed = (info.id for info in member.listed or ())
    for model in dict.fromkeys((*listed, *(model for provider, _, model in named if provider == own))):
        yield Target(own, model)


def _was_tried(target: Target, health: Health) -> bool:
    return health.latency(target) is not None or health.inflight(target) > 0 or health.badness(target) > 0


def _known(row: Known, services: Services) -> dict[str, Any]:
    needs_key = bool(row.key_variables)
    looked_for = f"Start it: it is looked for on port {row.port}, every minute."
    by_hand = f"Start it, and add a row of type {row.name} to providers.yaml."
    hint = row.hint if needs_key else looked_for if services.config.discover else by_hand
    return {
        "type": row.name,
        "name": row.name,
        "needs_key": needs_key,
        "variables": list(row.key_variables),
        "hint": hint,
        "host": _authority(row.base_url),
    }
