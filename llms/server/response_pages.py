"""Lists of items, a page at a time, in OpenAI's way: `limit`, `order`, `after`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llms.protocol.dialects.responses.asked import Item
from llms.protocol.dialects.responses.opaque import is_ours
from llms.protocol.errors import InvalidRequest, excerpt

_MOST: Final = 100
_USUAL: Final = 20


def page(items: Sequence[Item], query: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of items that are given oldest first; raise InvalidRequest naming a wrong parameter."""
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest(f"`order` must be asc or desc, found {excerpt(order, 40)!r}.", param="order")
    limit = _limit(query.get("limit", str(_USUAL)))
    found = [_shown(item) for item in (items if order == "asc" else reversed(items))]
    after = query.get("after")
    if after:
        places = [at for at, item in enumerate(found) if item.get("id") == after]
        if not places:
            raise InvalidRequest(f"`after` names {excerpt(after, 80)!r}, which is no item of this list.", param="after")
        found = found[places[0] + 1 :]
    data = found[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0].get("id") if data else None,
        "last_id": data[-1].get("id") if data else None,
        "has_more": len(found) > limit,
    }


def _limit(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) < 4 and 1 <= int(given) <= _MOST):
        raise InvalidRequest(f"`limit` must be 1 to {_MOST}, found {excerpt(given, 40)!r}.", param="limit")
    return int(given)


def _shown(item: Item) -> Item:
    """Return an item without what only the model needs."""
    return {key: value for key, value in item.items() if key != "encrypted_content"} if is_ours(item) else item
