"""/api/providers: who there is, switching them on and off, entering and forgetting their keys.

Every key of this server may do all that: they are its owner's. The worker that is asked has its siblings do the same;
one that is started again later knows the switches and the keys that are kept in the file, but none in memory.
"""

from __future__ import annotations

from typing import Any, final

from aiohttp import web

from llms.config.entered import is_key
from llms.config.secret import SecretStr
from llms.gateway.changes import EnterKey, ForgetKey, Switch, unknown_provider
from llms.protocol import json
from llms.protocol.errors import InvalidRequest
from llms.server.access import Access
from llms.server.elsewhere import tell_siblings
from llms.server.object_body import read_object
from llms.server.provider_rows import addable, provider_row
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer


@final
class Providers:
    """List and change."""

    def __init__(self, services: Services) -> None:
        """Take the roster and who puts changes in force."""
        self._services = services

    async def list_all(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer every provider and the types that could be added; what is old is asked for, and not waited for."""
        services = self._services
        services.tasks.spawn(services.refresh(), name="list models")
        rows = [provider_row(entry, services) for entry in services.roster.entries().values()]
        return _answer({"object": "list", "data": rows, "addable": addable(services)}, access)

    async def switch(self, request: web.Request, access: Access) -> WholeAnswer:
        """Take `{"enabled": true}`; requests that run go on."""
        body = await read_object(request, self._services, keys=("enabled",))
        if not isinstance(body.get("enabled"), bool):
            raise InvalidRequest("`enabled` must be true or false.", param="enabled")
        name = request.match_info["name"]
        await self._services.change(Switch(name, body["enabled"]))
        await tell_siblings(self._services, request, access, body)
        return self._one(name, access)

    async def enter_key(self, request: web.Request, access: Access) -> WholeAnswer:
        """Take `{"key": "...", "keep": "memory"}`, or "file"; the key is never told again."""
        body = await read_object(request, self._services, keys=("key", "keep"))
        name = request.match_info["name"]
        await self._services.change(EnterKey(name, SecretStr(_key(body)), keep=_keep(body)))
        await tell_siblings(self._services, request, access, body)
        return self._one(name, access)

    async def forget_key(self, request: web.Request, access: Access) -> WholeAnswer:
        """Drop an entered key; a provider that was made by it goes with it."""
        name = request.match_info["name"]
        await self._services.change(ForgetKey(name))
        return _answer({"object": "provider.key", "name": name, "deleted": True}, access)

    def _one(self, name: str, access: Access) -> WholeAnswer:
        entry = self._services.roster.entries().get(name)
        if entry is None:
            raise unknown_provider(name)
        return _answer(provider_row(entry, self._services), access)


def _key(body: dict[str, Any]) -> str:
    key = body.get("key")
    if not isinstance(key, str) or not is_key(key.strip()):
        raise InvalidRequest("`key` must be 8 to 512 visible ASCII characters, without blanks.", param="key")
    return key.strip()


def _keep(body: dict[str, Any]) -> bool:
    keep = body.get("keep", "memory")
    if keep not in ("memory", "file"):
        raise InvalidRequest('`keep` must be "memory" or "file".', param="keep")
    return bool(keep == "file")


def _answer(told: dict[str, Any], access: Access) -> WholeAnswer:
    return WholeAnswer(json.dumps(told), access.headers)
