"""GET /v1/models and /v1/models/{id}: what may be asked for, in Anthropic's form to those who speak of its version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.chat import ModelInfo
from llms.protocol.errors import ModelNotFound, excerpt
from llms.server.access import ANTHROPIC_VERSION, Access
from llms.server.services import Services


@final
class Models:
    """List the names of providers.yaml and what every provider serves."""

    def __init__(self, services: Services) -> None:
        """Take the gateway, whose catalog knows the names."""
        self._services = services

    async def list_all(self, request: web.Request, access: Access) -> web.Response:
        """Answer the whole list; providers are asked again when what they said is old."""
        await self._refresh(access)
        entries = await self._entries(access)
        if ANTHROPIC_VERSION in request.headers:
            from llms.protocol.dialects.messages.listing import model_list

            return _json(model_list(entries), access)
        return _json({"object": "list", "data": entries}, access)

    async def get(self, request: web.Request, access: Access) -> web.Response:
        """Answer one model."""
        await self._refresh(access)
        wanted = request.match_info["id"]
        entries = {entry["id"]: entry for entry in await self._entries(access)}
        if wanted not in entries:
            target = self._services.gateway.fleet.catalog.resolve(wanted).targets[0]
            if target.id not in entries:
                raise ModelNotFound(f"The model {excerpt(wanted)!r} is not listed here, though it may be asked for.")
            found = {**entries[target.id], "id": wanted}
        else:
            found = entries[wanted]
        if ANTHROPIC_VERSION in request.headers:
            from llms.protocol.dialects.messages.listing import model_entry

            found = model_entry(found)
        return _json(found, access)

    async def _refresh(self, access: Access) -> None:
        """Bring what providers serve up to date; a server like this one is not kept waiting: it may be asked by us."""
        if access.hops:
            self._services.tasks.spawn(self._services.refresh(), name="list models")
        else:
            await self._services.refresh()

    async def _entries(self, access: Access) -> list[dict[str, Any]]:
        return [_entry(*entry) for entry in await self._services.described.entries(waits=not access.hops)]


def _entry(name: str, info: ModelInfo, provider: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry; what the upstream says stays as it says it, facts in our spelling stand beside it."""
    return {
        **facts,
        **{key: value for key, value in info.extra.items() if value is not None or key not in facts},
        "id": name,
        "object": "model",
        "created": info.created,
        "owned_by": info.owned_by or provider or "llms",
        **({"provider": provider} if provider else {}),
    }


def _json(value: Any, access: Access) -> web.Response:
    return web.Response(body=json.dumps(value), headers={"Content-Type": "application/json", **access.headers})
