"""A server with several models, and what it would tell of their use."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from playwright.async_api import expect

from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Proxy, one_upstream, serving

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

MODELS: Final[list[dict[str, Any]]] = [
    {
        "id": "big",
        "context_length": 400_000,
        "capabilities": ["chat", "vision", "tools", "reasoning"],
        "pricing": {"prompt": "0.00000125", "completion": "0.00001"},
    },
    {
        "id": "small",
        "context_length": 8192,
        "capabilities": ["chat"],
        "quantization": "Q4_K_M",
        "size_bytes": 98_000_000,
        "state": "loaded",
        "label": "demo",
    },
    {"id": "heard", "capabilities": ["chat", "audio"]},
    {"id": "vectors", "capabilities": ["embeddings"]},
]
FIGURES: Final = {
    "requests": 12,
    "errors": 1,
    "cancelled": 2,
    "prompt_tokens": 3000,
    "completion_tokens": 900,
    "cached_tokens": 0,
    "reasoning_tokens": 0,
    "unpriced": 0,
    "cost": 0.013,
    "ttft_p50": 0.25,
    "ttft_p95": 1.5,
    "duration_p50": 2.0,
    "duration_p95": 9.0,
    "tokens_per_second": 48.5,
}
REQUEST: Final = {
    "id": 7,
    "started": 1_795_000_000,
    "provider": "up",
    "model": "big",
    "asked_model": "big",
    "outcome": "ok",
    "error_code": None,
    "prompt_tokens": 20,
    "completion_tokens": 40,
    "ttft": 0.2,
    "duration": 1.5,
    "key_id": "ci",
}


@asynccontextmanager
async def many_models() -> AsyncGenerator[tuple[Proxy, FakeUpstream], None]:
    """Serve several models of one upstream, and another one that is away."""
    async with FakeUpstream() as upstream, FakeUpstream(refuses=True) as away:
        upstream.models(MODELS)
        more = f'  away: {{type: openai_compatible, base_url: "{away.url}"}}\nmodels:'
        async with serving(one_upstream(upstream).replace("models:", more, 1)) as proxy:
            yield proxy, upstream


async def pick(page: Page, words: str) -> None:
    """Type into the list of models that is opening, and take the one that is found."""
    await page.get_by_label("Search models").fill(words)
    await expect(page.locator(".picker [role=option]")).to_have_count(1)
    await page.keyboard.press("Enter")
    await expect(page.locator(".picker")).to_have_count(0)


STREAMS = {
    "total_streams": 40,
    "failed_streams": 1,
    "cancelled_streams": 2,
    "average_duration": 4.2,
    "average_tokens_per_stream": 180.5,
    "error_rate": 0.025,
    "reconnection_rate": 0.1,
    "recovery_rate": None,
    "ttft": {"p50": 0.3, "p90": 0.6, "p99": 1.1},
    "tokens_per_second": {"p50": 61, "p90": 40.5, "p99": 22},
}
ANALYTICS = {
    "object": "analytics",
    "to": 1795219200,
    "active_streams": 1,
    "windows": [{"window": name, **STREAMS} for name in ("1h", "24h", "7d")],
    "step": 3600,
    "series": [{"time": 1795215600, "total_streams": 40, "failed_streams": 1}],
}


async def tell_usage(route: Route) -> None:
    """Answer what the usage page asks for."""
    url = route.request.url
    if "/analytics" in url:
        return await route.fulfill(json=ANALYTICS)
    if "/requests" in url:
        live = "/api/requests" in url
        row_ = {**REQUEST, "id": "r1", "state": "writing", "elapsed": 3.2} if live else REQUEST
        return await route.fulfill(json={"object": "list", "data": [row_], "before": None})
    query = {name: float(value) for name, value in re.findall(r"(from|to|step)=([\d.]+)", url)}
    series = [{"time": query["from"] + query["step"] * at, **FIGURES} for at in (2, 5)]
    group = re.search(r"group=(\w+)", url)
    name = {"model": "up/big", "provider": "up", "key": "ci"}[group[1] if group else "model"]
    whole = {"totals": FIGURES, "series": series}
    return await route.fulfill(
        json={"object": "usage", **query, **whole, "groups": [{"name": name, **whole}], "rest": None}
    )
