"""GET /api/settings: what the page has to know before it asks for anything else."""

from __future__ import annotations

import socket
from typing import Any, Final, final

from aiohttp import web

from llms.protocol import json
from llms.providers.base import SupportsEmbeddings
from llms.server.access import Access
from llms.server.hosts import is_loopback, names_loopback
from llms.server.local_states import holders
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer

_SPEAKS_FOR_OTHERS: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")
"""Headers of proxies."""


@final
class Settings:
    """Tell version, abilities and the caller's own standing."""

    def __init__(self, services: Services) -> None:
        """Take what there is to tell of."""
        self._services = services

    async def get(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer; `server` tells where things are, to callers on the same machine only."""
        services = self._services
        config = services.config
        told = {
            "object": "settings",
            "version": services.version,
            "keys_required": services.keys.required,
            "key_id": access.caller.key_id,
            "features": self._features(),
            "default_model": config.defaults.model,
            "ui": config.ui.as_dict(),
            "workers": config.server.workers,
            "server": self._places() if is_local(request) else None,
        }
        return WholeAnswer(json.dumps(told), access.headers)

    def _features(self) -> dict[str, bool]:
        """Return what this server offers; a page hides the rest."""
        services = self._services
        members = services.gateway.fleet.members.values()
        return {
            "pull": True,
            "local_models": any(True for _ in holders(services)),
            "providers": True,
            "keep_keys": services.roster.keys.has_file,
            "usage": services.config.stores.usage != "none",
            "requests": True,
            "embeddings": any(isinstance(member.provider, SupportsEmbeddings) for member in members),
            "resume": True,
            "prices": True,
        }

    def _places(self) -> dict[str, Any]:
        services = self._services
        return {
            "name": socket.gethostname(),
            "data_dir": str(services.data_dir),
            "config": services.config.source,
        }


def is_local(request: web.Request) -> bool:
    """Tell whether the caller is on this machine, and no proxy there that speaks for others."""
    if any(name in request.headers for name in _SPEAKS_FOR_OTHERS):
        return False
    return is_loopback(request.remote or "") and names_loopback(request.headers.get("Host", ""))
