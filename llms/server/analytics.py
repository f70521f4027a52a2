"""GET /api/analytics: how streams went in the last hour, day and week.

What the usage rows tell is of every process that writes into the same file; what runs now, of all workers; which
streams were taken up again, of the worker that is asked. Where `stores.usage` is none, there is nothing to ask: 404
`feature_absent`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, final

from aiohttp import web

from llms.gateway.exchange import streams_among
from llms.protocol import json
from llms.server.access import Access
from llms.server.elsewhere import gauge_elsewhere
from llms.server.services import Services
from llms.server.usage_page import require_rows, shown, unreadable
from llms.server.whole_answer import WholeAnswer
from llms.stores.base import UsageUnreadable
from llms.stores.stream_report import SHARES, Step, StreamFigures

_HOUR: Final = 3600.0
_WINDOWS: Final = {"1h": _HOUR, "24h": 24 * _HOUR, "7d": 168 * _HOUR}
_STEPS: Final = (24 * _HOUR, _HOUR)


@final
class Analytics:
    """Work them out, one report at a time."""

    def __init__(self, services: Services) -> None:
        """Take the store and what runs."""
        self._services = services
        self._reading = asyncio.Lock()

    async def get(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer the figures of each window, and the streams of each hour of the last day."""
        services = self._services
        require_rows(services)
        end = services.now()
        async with self._reading:
            try:
                found = await services.usage.streams(end=end, spans=[*_WINDOWS.values()], steps=_STEPS)
            except UsageUnreadable as problem:
                raise unreadable(problem) from None
        elsewhere = await gauge_elsewhere(services, request, access, "llms_active_streams")
        told = {
            "object": "analytics",
            "to": shown(end),
            "active_streams": streams_among(services.gateway.live) + int(elsewhere),
            "windows": [
                {"window": name, "seconds": int(seconds), **self._window(found.figures[seconds], seconds)}
                for name, seconds in _WINDOWS.items()
            ],
            "step": int(_STEPS[1]),
            "series": [_step(each) for each in found.steps],
        }
        return WholeAnswer(json.dumps(told), access.headers)

    def _window(self, figures: StreamFigures, seconds: float) -> dict[str, Any]:
        rates = self._services.streams.returning.rates(seconds)
        return {
            "total_streams": figures.total,
            "failed_streams": figures.failed,
            "cancelled_streams": figures.cancelled,
            "average_duration": shown(figures.average_duration),
            "average_tokens_per_stream": shown(figures.average_tokens),
            "error_rate": shown(figures.failed / figures.total) if figures.total else None,
            "reconnection_rate": shown(rates.reconnection),
            "recovery_rate": shown(rates.recovery),
            "ttft": _percentiles(figures.ttft),
            "tokens_per_second": _percentiles(figures.rate),
        }


def _percentiles(values: Sequence[float | None]) -> dict[str, float | None]:
    return {f"p{share * 100:g}": shown(value) for share, value in zip(SHARES, values, strict=True)}


def _step(step: Step) -> dict[str, float | None]:
    return {"time": shown(step.time), "total_streams": step.streams, "failed_streams": step.failed}
