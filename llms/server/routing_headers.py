"""The headers that say where an answer is from."""

from __future__ import annotations

from llms.gateway.exchange import Exchange


def routing_headers(exchange: Exchange) -> dict[str, str]:
    """Return who answered and after how many attempts, or that the answer was kept."""
    headers = {
        "x-llms-provider": exchange.provider,
        "x-llms-model": exchange.model,
        "x-llms-attempts": str(exchange.attempts),
    }
    if exchange.upstream_request_id:
        headers["x-llms-upstream-request-id"] = exchange.upstream_request_id
    if exchange.cache:
        headers["x-llms-cache"] = exchange.cache
    return headers
