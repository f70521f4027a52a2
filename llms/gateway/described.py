"""What is known of the models in service: first what their upstreams tell, then what the table of prices has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final, final
from urllib.parse import urlsplit

from llms.config.model import ProviderRow
from llms.gateway.fleet import Fleet
from llms.model_facts.table import NOTHING, Asked, Found, Table
from llms.model_facts.told import price, told
from llms.protocol.chat import ModelInfo
from llms.protocol.tariff import FREE, Tariff, tariff_at
from llms.providers.known import KNOWN
from llms.routing.catalog import Target

_PATIENCE: Final = 3.0
"""Seconds that a list of models waits for the table; later ones have what came later."""
_VENDORS: Final[Mapping[str, str]] = {"anthropic": "anthropic", "gemini": "google", "bedrock": "aws"}
"""Types whose address need not be said, and the table's names of them."""
_OWN: Final = ("llama_cpp", "echo")
"""Types that run on this machine."""
_UPSTREAM: Final = "upstream"


@final
class Described:
    """Facts of models, in one spelling."""

    def __init__(self, table: Table, *, fleet: Callable[[], Fleet], now: Callable[[], float]) -> None:
        """Take the table, the fleet in service and the time in Unix seconds."""
        self._table = table
        self._fleet = fleet
        self._now = now

    async def entries(self, *, waits: bool = True) -> list[tuple[str, ModelInfo, str, dict[str, Any]]]:
        """Return the catalog's entries, each with its facts; without `waits`, as far as they are at hand."""
        fleet = self._fleet()
        rows = [(*entry, self._asked(fleet, *entry)) for entry in fleet.catalog.entries()]
        wanted = {asked for _, info, _, asked in rows if asked is not None and not _is_told(info)}
        found = await self._find(wanted) if waits else self._table.known(wanted)
        now = self._now()
        return [
            (name, info, provider, described(info.extra, found.get(asked, NOTHING) if asked else NOTHING, now=now))
            for name, info, provider, asked in rows
        ]

    async def tariffs(self, models: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Sequence[Tariff]]:
        """Return what models cost, by provider and upstream's id; those whose price is unknown are left out."""
        fleet = self._fleet()
        rows = {each: fleet.members[each[0]].row for each in models if each[0] in fleet.members}
        own = {each: (FREE,) for each, row in rows.items() if row.type in _OWN}
        known: dict[tuple[str, str], Sequence[Tariff]] = {**_told_tariffs(fleet), **own}
        places = {each: place_of(row) for each, row in rows.items() if each not in known}
        asked = {each: Asked(place, each[1]) for each, place in places.items() if place}
        found = await self._find(set(asked.values()))
        known |= {each: found.get(one, NOTHING).tariffs for each, one in asked.items()}
        return {each: known[each] for each in rows if known.get(each)}

    async def _find(self, asked: Collection[Asked]) -> Mapping[Asked, Found]:
        known = self._table.known(asked)
        if len(known) == len(asked):
            return known
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.to_thread(self._table.find, asked)
        except TimeoutError:
            return self._table.known(asked)

    @staticmethod
    def _asked(fleet: Fleet, name: str, info: ModelInfo, provider: str) -> Asked | None:
        """Return what to ask the table for; a name of `models:` is as its first target."""
        target = Target(provider, info.id) if provider else fleet.catalog.resolve(name).targets[0]
        place = place_of(fleet.members[target.provider].row)
        return Asked(place, target.model) if place else None


def _told_tariffs(fleet: Fleet) -> dict[tuple[str, str], Sequence[Tariff]]:
    """Return the prices that upstreams tell in their lists, as if they had always been so."""
    prices = {(owner, info.id): price(info.extra) for _, info, owner in fleet.catalog.entries() if owner}
    return {
        each: (Tariff(told["input"], told.get("cached_input"), told["output"]),)
        for each, told in prices.items()
        if told is not None
    }


def place_of(row: ProviderRow) -> str:
    """Return where a provider's models are, for the table; empty where it cannot know them."""
    own = row.options.get("options")
    url = row.options.get("base_url") or (own.get("base_url") if isinstance(own, Mapping) else None)
    if not url and row.type in KNOWN:
        url = KNOWN[row.type].base_url
    return _VENDORS.get(row.type, "") if not url else _public(str(url))


def _public(url: str) -> str:
    """Return an address without what may be secret in it; empty for one of this machine or its network."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return f"{parts.scheme}://{host}{parts.path}" if "." in host and not _is_ip(host) else ""
    except ValueError:
        return ""


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_told(info: ModelInfo) -> bool:
    return {"context_window", "price"} <= told(info.extra).keys()


def described(extra: Mapping[str, Any], found: Found, *, now: float) -> dict[str, Any]:
    """Return the facts of one model, and in `facts_from` where each is from; what nobody knows is left out."""
    facts = told(extra)
    origins = dict.fromkeys(facts, _UPSTREAM)
    also: dict[str, Any] = {"context_window": found.context_window, "price": _price(found.tariffs, now)}
    for name, value in also.items():
        if value and name not in facts:
            facts[name] = value
            origins[name] = found.source
    return {**facts, "facts_from": origins} if facts else {}


def _price(tariffs: Sequence[Tariff], now: float) -> dict[str, Any] | None:
    """Return today's price: that of short prompts, and in `tiers` those of longer ones."""
    tariff = tariff_at(tariffs, time=now)
    if tariff is None:
        return None
    longer = sorted({each.above for each in tariffs if each.above >= 0})
    tiers = [(above, tariff_at(tariffs, time=now, prompt_tokens=above + 1)) for above in longer]
    told = [{"above": above, **_dollars(each)} for above, each in tiers if each is not None and each.above == above]
    since = {"since": datetime.fromtimestamp(tariff.since, UTC).date().isoformat()} if tariff.since else {}
    return {**_dollars(tariff), **since, **({"tiers": told} if told else {})}


def _dollars(tariff: Tariff) -> dict[str, float | None]:
    again = {} if tariff.cached is None else {"cached_input": tariff.cached}
    return {"input": tariff.input, "output": tariff.output, **again}
