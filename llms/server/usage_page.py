"""/api/usage: what the usage rows come to, and the newest of them.

All keys of `keys.static` are their owner's, so each of them sees the rows of all. The rows are those of every
process that writes into the same file. Where `stores.usage` is none, there is nothing to ask: 404 `feature_absent`.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final, cast, final

from aiohttp import web

from llms.protocol import json, tariff
from llms.protocol.errors import InvalidRequest, LlmsError, NotFound, excerpt
from llms.server.access import Access
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer
from llms.stores.base import UsageRow, UsageTooMuch, UsageUnreadable
from llms.stores.usage_report import Figures, Group, Part, Query, Report

_MOST_BUCKETS: Final = 400
_USUAL_BUCKETS: Final = 100
_MOST_GROUPS: Final = 50
_STEPS: Final = (60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800)
"""Seconds; the first that leads to no more than the usual number of buckets is taken."""
_DAY: Final = 86_400.0
_GROUPS: Final = ("model", "provider", "key")
_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_FIGURES: Final = tuple(field.name for field in fields(Figures))
_USUAL_ROWS, _MOST_ROWS = 50, 500
_CENTS: Final = 10
"""Decimal places of US dollars: of one cached token of a cheap model something is left."""


@final
class UsagePage:
    """Read for the usage page, one report at a time."""

    def __init__(self, services: Services) -> None:
        """Take the store."""
        self._services = services
        self._reading = asyncio.Lock()

    async def report(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer totals, a series in steps, and both for each group: `?from=&to=&step=&group=&only=`."""
        require_rows(self._services)
        query = _query(request.query, now=self._services.now())
        async with self._reading:
            try:
                query = await self._with_tariffs(query)
                found = await self._services.usage.report(query)
            except UsageUnreadable as problem:
                raise unreadable(problem) from None
        return WholeAnswer(await asyncio.to_thread(_encoded, found, query), access.headers)

    async def rows(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer single requests, the newest first: `?limit=&before=`."""
        require_rows(self._services)
        limit, before = _page(request.query)
        try:
            found = await self._services.usage.page(limit=limit + 1, before=before)
        except UsageUnreadable as problem:
            raise unreadable(problem) from None
        tariffs = await self._services.described.tariffs({(row.provider, row.model) for _, row in found})
        rows = [{"id": number, **row._asdict(), "cost": _cost(row, tariffs)} for number, row in found[:limit]]
        follows = rows[-1]["id"] if len(found) > limit else None
        return WholeAnswer(json.dumps({"object": "list", "data": rows, "before": follows}), access.headers)

    async def _with_tariffs(self, query: Query) -> Query:
        asked = await self._services.usage.models(query)
        return replace(query, tariffs=await self._services.described.tariffs(asked))


def require_rows(services: Services) -> None:
    """Raise NotFound where no usage is kept."""
    if services.config.stores.usage == "none":
        raise NotFound("No usage is kept here: stores.usage is none.", code="feature_absent")


def _query(given: Mapping[str, str], *, now: float) -> Query:
    _refuse_others(given, ("from", "to", "step", "group", "only"))
    end = _number(given, "to", now)
    start = _number(given, "from", end - _DAY)
    if not start < end:
        raise InvalidRequest("`from` must be before `to`.", param="from")
    step = _number(given, "step", _usual_step(end - start))
    if "from" not in given and step > 0:
        start -= start % step
    least = math.ceil((end - start) / _MOST_BUCKETS)
    if step <= 0 or math.ceil((end - start) / step) > _MOST_BUCKETS:
        raise InvalidRequest(f"`step` must be {least} seconds or more for this time.", param="step")
    group, only = given.get("group"), given.get("only")
    if group is not None and group not in _GROUPS:
        raise InvalidRequest(f"`group` must be one of {', '.join(_GROUPS)}.", param="group")
    if only is not None and group is None:
        raise InvalidRequest("`only` names one group: say which kind as `group`.", param="only")
    return Query(start, end, step, cast(Group | None, group), only, _MOST_GROUPS)


def _page(given: Mapping[str, str]) -> tuple[int, int | None]:
    _refuse_others(given, ("limit", "before"))
    for name in ("limit", "before"):
        if name in given and not _WHOLE.fullmatch(given[name]):
            raise InvalidRequest(f"`{name}` must be a whole number.", param=name)
    limit = int(given.get("limit", _USUAL_ROWS))
    if not 1 <= limit <= _MOST_ROWS:
        raise InvalidRequest(f"`limit` must be from 1 to {_MOST_ROWS}.", param="limit")
    return limit, int(given["before"]) if "before" in given else None


def _refuse_others(given: Mapping[str, str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise InvalidRequest(f"{excerpt(name, 40)!r} means nothing here; known are {', '.join(known)}.")


def _number(given: Mapping[str, str], name: str, usual: float) -> float:
    text = given.get(name)
    if text is None:
        return usual
    if not _NUMBER.fullmatch(text):
        raise InvalidRequest(f"`{name}` must be a number of seconds; times count from 1970 (UTC).", param=name)
    return float(text)


def _usual_step(seconds: float) -> float:
    return next((step for step in _STEPS if seconds / step <= _USUAL_BUCKETS), math.ceil(seconds / _USUAL_BUCKETS))


def _encoded(report: Report, query: Query) -> bytes:
    """Encode apart from the event loop: there may be twenty thousand points."""
    told: dict[str, Any] = {
        "object": "usage",
        "from": shown(query.start),
        "to": shown(query.end),
        "step": shown(query.step),
        "group": query.group,
        "only": query.only,
        **_part(report.whole),
        "groups": [{"name": name, **_part(part)} for name, part in report.groups.items()],
        "rest": None if report.rest is None else _part(report.rest),
    }
    return json.dumps(told)


def _part(part: Part) -> dict[str, Any]:
    series = [{"time": shown(time), **_figures(figures)} for time, figures in part.series.items()]
    return {"totals": _figures(part.totals), "series": series}


def _figures(figures: Figures) -> dict[str, Any]:
    dollars = None if figures.cost is None else round(figures.cost, _CENTS)
    return {name: shown(getattr(figures, name)) for name in _FIGURES} | {"cost": dollars}


def _cost(row: UsageRow, tariffs: Mapping[tuple[str, str], Sequence[tariff.Tariff]]) -> float | None:
    """Return what a request cost in US dollars; None where its price or its tokens are unknown."""
    if row.usage_source in ("shared", "cached"):
        return 0.0
    known = tariffs.get((row.provider, row.model), ())
    price = tariff.tariff_at(known, time=row.started, prompt_tokens=row.prompt_tokens)
    dollars = tariff.cost(
        price,
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        known=row.usage_source != "unknown",
    )
    return None if dollars is None else round(dollars, _CENTS)


def shown(value: float | None) -> float | None:
    """Round to what means something; a whole number is shown as one."""
    if value is None or isinstance(value, int):
        return value
    return int(value) if value.is_integer() else round(value, 4)


def unreadable(problem: UsageUnreadable) -> LlmsError:
    """Return what to tell of rows that cannot be read."""
    if isinstance(problem, UsageTooMuch):
        return InvalidRequest(f"That is too much to add up, {problem}: ask for a shorter time.", param="from")
    return LlmsError(f"The usage rows cannot be read: {problem}.", code="usage_unreadable", status=503)
