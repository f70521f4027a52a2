"""What an SDK's objects hold: decoded JSON behind its own classes, and the rows of its lists."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any, Final

from llms.protocol.chat import ModelInfo

_MOST_MODELS: Final = 10_000


def as_object(found: Any) -> dict[str, Any] | None:
    """Return an SDK's object as decoded JSON, only with the fields that were sent; None for what is no object."""
    if callable(dump := getattr(found, "model_dump", None)):
        found = dump(mode="json", exclude_unset=True, by_alias=True, warnings=False)
    elif callable(convert := getattr(found, "to_dict", None) or getattr(found, "dict", None)):
        found = convert()
    return found if isinstance(found, dict) else None


async def listed(listing: Any, *, owner: str) -> AsyncIterator[ModelInfo]:
    """Yield the models of a list, a page or a paginator, each id once; plain names will do."""
    if inspect.isawaitable(listing) and not hasattr(listing, "__aiter__"):
        listing = await listing
    seen: set[str] = set()
    left = _MOST_MODELS
    async for row in _rows(listing):
        item = {"id": row} if isinstance(row, str) else as_object(row) or {}
        name = item.get("id") or item.get("name") or item.get("model")
        if isinstance(name, str) and name and name not in seen:
            seen.add(name)
            yield ModelInfo.of(name, item, owner=owner)
        left -= 1
        if not left:
            return


async def _rows(listing: Any) -> AsyncIterator[Any]:
    if hasattr(listing, "__aiter__"):
        async for row in listing:
            yield row
        return
    if isinstance(listing, dict):
        listing = listing.get("data", listing.get("models"))
    for row in getattr(listing, "data", listing):
        yield row
