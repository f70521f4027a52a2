"""/api/models: the models of this machine, and bringing them into memory, out of it, off the disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.errors import NotFound, excerpt
from llms.server.access import Access
from llms.server.local_states import holder_of, holders, row, unloaded
from llms.server.services import Services

if TYPE_CHECKING:
    from llms.downloads.shelf import Stored

_IN_MEMORY: Final = ("loading", "loaded")


@final
class LocalModels:
    """List, load, unload and delete."""

    def __init__(self, services: Services) -> None:
        """Take the providers that hold the models, and the folder of downloaded ones."""
        self._services = services

    async def list_all(self, request: web.Request, access: Access) -> web.Response:
        """Answer every model of the providers that hold models in memory, and every other downloaded file."""
        stored = {each.name.lower(): each for each in await asyncio.to_thread(self._services.puller().shelf.models)}
        rows = [
            row(holder.name, state, stored.get(state.id.lower()))
            for holder in holders(self._services)
            for state in await holder.states()
        ]
        offered = {each["file"] for each in rows}
        rows += [row("", unloaded(each.name), each) for each in stored.values() if each.name not in offered]
        return _json({"object": "list", "data": rows}, access)

    async def load(self, request: web.Request, access: Access) -> web.Response:
        """Bring a model into memory; answer when it is there."""
        holder, model = holder_of(self._services, request.match_info["id"])
        with self._services.running.request(), holder.member.used():
            await holder.provider.load(model)
        return _json(row(holder.name, holder.state(model), None), access)

    async def unload(self, request: web.Request, access: Access) -> web.Response:
        """Free a model's memory."""
        holder, model = holder_of(self._services, request.match_info["id"])
        await holder.provider.unload(model)
        return _json(row(holder.name, holder.state(model), None), access)

    async def remove(self, request: web.Request, access: Access) -> web.Response:
        """Delete a downloaded model, which is unloaded before."""
        wanted = request.match_info["id"]
        provider, _, rest = wanted.partition("/")
        is_held = any(holder.name == provider for holder in holders(self._services))
        name = rest if is_held and rest else wanted
        shelf = self._services.puller().shelf
        stored = await asyncio.to_thread(shelf.find, name)
        if stored is not None:
            await self._let_go(stored)
        if not await asyncio.to_thread(shelf.remove, name):
            raise NotFound(f"No model {excerpt(wanted)!r} was downloaded here.", param="id")
        return _json({"id": wanted, "object": "model", "deleted": True}, access)

    async def _let_go(self, stored: Stored) -> None:
        """Have every provider unload a model; raise Conflict while one uses it."""
        for holder in holders(self._services):
            for state in holder.provider.loaded():
                if state.id.lower() == stored.name.lower() and state.state in _IN_MEMORY:
                    await holder.provider.unload(state.id)


def _json(value: Any, access: Access) -> web.Response:
    return web.Response(body=json.dumps(value), headers={"Content-Type": "application/json", **access.headers})
