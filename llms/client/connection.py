"""Requests to one server: its key, tries again before anything was received, errors in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, final

import aiohttp

from llms.client.errors import ClientError, Refused, ServerFailed, Unreachable, refused
from llms.client.patience import Patience
from llms.protocol import json
from llms.protocol.address import api_url, is_local

BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
"""What a connection that fails raises."""

_GOODBYE: Final = 5.0
"""Seconds in which a server must have heard that nobody reads any more."""


@final
class Connection:
    """Opens its session with the first request; `close` ends it."""

    def __init__(self, base_url: str, *, api_key: str, headers: Mapping[str, str], patience: Patience) -> None:
        """Take the address, with or without `/v1`; an empty key is not sent. ValueError for what is no address."""
        self.url = api_url(base_url)
        self.patience = patience
        self._headers = {**({"Authorization": f"Bearer {api_key}"} if api_key else {}), **headers}
        self._http: aiohttp.ClientSession | None = None
        self._is_closed = False
        self.streams: set[str] = set()
        """The ids of resumable streams that are not at their end."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Return a good answer, to be closed; try again where nothing was received and it can help."""
        failures = 0
        while True:
            try:
                return await self.once(method, path, body=body, headers=headers)
            except (Unreachable, Refused) as error:
                if failures == self.patience.retries or not self._may_help(error):
                    raise
                failures += 1
                await self.patience.pause(failures, error.retry_after)

    async def once(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Return a good answer, to be closed, of a single try; raise Unreachable or Refused."""
        data = None if body is None else json.dumps(body)
        given = {**self._headers, **({"Content-Type": "application/json"} if data else {}), **(headers or {})}
        try:
            response = await self._session().request(
                method, f"{self.url}/{path}", data=data, headers=given, allow_redirects=False
            )
            if response.status < 300:
                return response
            async with response:
                found = await response.read()
        except BROKEN as failure:
            raise self._unreachable(failure) from None
        raise refused(response.status, found, response.headers, now=self.patience.now())

    async def json(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, wants: str
    ) -> dict[str, Any]:
        """Return the object that is answered, which has the key `wants`."""
        response = await self.ask(method, path, body=body, headers={"Accept": "application/json"})
        return await self.decoded(response, wants=wants)

    async def decoded(self, response: aiohttp.ClientResponse, *, wants: str) -> dict[str, Any]:
        """Read an answer that is an object with the key `wants`."""
        try:
            async with response:
                found = json.loads(await response.read())
        except ValueError:
            found = None
        except BROKEN as failure:
            raise self._unreachable(failure) from None
        if not isinstance(found, dict) or wants not in found:
            raise ServerFailed(
                f"{self.url} does not answer like OpenAI's API. Is the address right?",
                code="upstream_protocol_error",
                status=response.status,
            )
        return found

    async def leave(self, stream_id: str) -> None:
        """Tell the server that nobody reads a stream any more: a connection that is closed would not stop it."""
        try:
            async with asyncio.timeout(_GOODBYE):
                (await self.once("DELETE", f"streams/{stream_id}")).close()
        except (ClientError, TimeoutError, RuntimeError):
            pass  # RuntimeError: when a program ends, names can be looked up no more
        self.streams.discard(stream_id)

    async def close(self) -> None:
        """Cancel what is not at its end, and close the connections."""
        await asyncio.gather(*map(self.leave, list(self.streams)))
        self._is_closed = True
        if self._http is not None:
            await self._http.close()

    def _may_help(self, error: Unreachable | Refused) -> bool:
        """Tell whether to try again may help; a silence as long as allowed is not waited for twice."""
        return self.patience.allows(error) if isinstance(error, Refused) else error.code != "upstream_timeout"

    def _session(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise RuntimeError("the client is closed")
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self.patience.connect, sock_read=self.patience.answer
                ),
                trust_env=not is_local(self.url),
            )
        return self._http

    def _unreachable(self, failure: Exception) -> Unreachable:
        if isinstance(failure, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return Unreachable(f"{self.url} cannot be reached: {reason(failure)}", code="upstream_unreachable")
        if isinstance(failure, TimeoutError):
            return Unreachable(f"{self.url} did not answer within {self.patience.answer:g} s.", code="upstream_timeout")
        return Unreachable(f"{self.url} closed the connection: {reason(failure)}", code="upstream_unreachable")


def reason(failure: Exception) -> str:
    """Return the words of a failure on one line."""
    if isinstance(failure, TimeoutError):
        return "nothing came for too long"
    return " ".join(str(failure).split()) or type(failure).__name__
