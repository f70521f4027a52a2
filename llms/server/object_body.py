"""Small JSON objects with a fixed set of keys: how the owner's requests are read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from aiohttp import web

from llms.protocol import json
from llms.protocol.errors import InvalidRequest, excerpt
from llms.server.body import read_json
from llms.server.services import Services

_LONGEST: Final = 16 * 1024
"""Bytes of a body."""


async def read_object(
    request: web.Request, services: Services, *, keys: Collection[str], may_be_empty: bool = False
) -> dict[str, Any]:
    """Return the body, an object with no other `keys`; raise an LlmsError. Nothing of it is quoted but unknown keys."""
    raw = await read_json(request, services, limit=_LONGEST)
    if may_be_empty and not raw:
        return {}
    try:
        found = json.loads(raw)
    except ValueError:
        raise InvalidRequest("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise InvalidRequest(f"The body must be an object; its keys are {', '.join(keys)}.")
    for key in found:
        if key not in keys:
            raise InvalidRequest(f"{excerpt(key, 40)!r} is no key of this body; known are {', '.join(keys)}.")
    return found
