"""Calls to the API of a server of ours that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final
from urllib.parse import quote

import aiohttp

from llms.cli.remote import is_ours
from llms.protocol import json
from llms.protocol.address import api_url, is_local
from llms.protocol.errors import AuthenticationFailed, UpstreamProtocolError, UpstreamUnreachable
from llms.protocol.refusals import Refusal, error_for

_USUAL: Final = "http://127.0.0.1:8000/v1"
_PATIENCE: Final = aiohttp.ClientTimeout(total=60, sock_connect=10)


@final
@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server that answered as one of ours, or that somebody named."""

    url: str
    """Its base address, without `/v1`."""
    key: str = field(repr=False)

    async def models(self) -> list[dict[str, Any]]:
        """Return what `GET /api/models` lists; raise an LlmsError."""
        listed = (await self._call("GET", "/api/models")).get("data")
        if not isinstance(listed, list) or not all(isinstance(row, dict) and "state" in row for row in listed):
            raise UpstreamProtocolError(f"{self.url} does not list local models. Is it an llms server of this version?")
        return listed

    async def unload(self, model: str) -> None:
        """Have a model unloaded; raise an LlmsError, Conflict where it is in use."""
        await self._call("DELETE", f"/api/models/{quote(model, safe='/')}/load")

    async def _call(self, method: str, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=_PATIENCE, trust_env=not is_local(self.url)) as http,
                http.request(method, self.url + path, headers=headers, allow_redirects=False) as answer,
            ):
                return self._read(answer, await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            raise UpstreamUnreachable(f"{self.url} cannot be reached. Start it with: llms serve") from None

    def _read(self, answer: aiohttp.ClientResponse, raw: bytes) -> dict[str, Any]:
        if answer.status == 401:
            raise AuthenticationFailed(f"{self.url} refused the key. Set LLMS_API_KEY, or pass one with --key.")
        if answer.status != 200:
            raise error_for(Refusal(self.url, answer.status, raw))
        try:
            found = json.loads(raw)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise UpstreamProtocolError(f"{self.url} does not answer like an llms server. Is the address right?")
        return found


async def own_server(environ: Mapping[str, str], *, url: str | None = None, key: str | None = None) -> OwnServer | None:
    """Return the server that --url or LLMS_URL names, or one of ours that runs on this machine; None without any.

    Raise ValueError for an address that is none.
    """
    own_key = key if key is not None else _variable("LLMS_API_KEY", environ)
    named = url or _variable("LLMS_URL", environ)
    if named:
        return OwnServer(_base(api_url(named)), own_key)
    client_key = key if key is not None else _variable("OPENAI_API_KEY", environ)
    for place, its_key in ((_variable("OPENAI_BASE_URL", environ), client_key), (_USUAL, own_key)):
        try:
            found = api_url(place)
        except ValueError:
            continue
        if is_local(found) and await is_ours(found):
            return OwnServer(_base(found), its_key)
    return None


def _variable(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name, "").strip()


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1")
