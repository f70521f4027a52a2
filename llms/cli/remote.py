"""Answers from a server that runs, ours or any that speaks OpenAI's chat completions."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, Final, final
from urllib.parse import urlsplit

import aiohttp

from llms.protocol import json
from llms.protocol.address import is_local
from llms.protocol.chat import ChunkObject
from llms.protocol.conform import Conform
from llms.protocol.errors import (
    AuthenticationFailed,
    LlmsError,
    UpstreamProtocolError,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from llms.protocol.fold import unfold
from llms.protocol.refusals import Refusal, error_for
from llms.protocol.stream import ChunkReader
from llms.protocol.whole import conform_completion
from llms.providers.discover import SERVER_NAME

_MAX_EVENT: Final = 16 * 2**20
_ID: Final = "chatcmpl-cli"
"""The id of an answer whose server gives it none."""
_PATIENCE: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=600)
_PROBE: Final = aiohttp.ClientTimeout(total=1)


@final
class Remote:
    """Ask over HTTP."""

    def __init__(self, url: str, *, key: str, http: aiohttp.ClientSession) -> None:
        """Take the address under which `chat/completions` is, as `api_url` returns it; an empty key is not sent."""
        self.place = url
        self._http = http
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def chat(self, body: Mapping[str, Any]) -> AsyncGenerator[ChunkObject, None]:
        """Yield the chunks of an answer."""
        try:
            async with self._send("POST", "chat/completions", data=json.dumps(body)) as response:
                await self._require_success(response)
                if response.content_type == "text/event-stream":
                    async with aclosing(self._events(response, str(body["model"]))) as items:
                        async for item in items:
                            yield item
                    return
                whole = self._decode(await response.read(), "choices")
                for item in unfold(self._conformed(whole, str(body["model"]))):
                    yield item
        except (aiohttp.ClientError, TimeoutError) as failure:
            raise self._failure(failure) from None

    async def models(self) -> Sequence[str]:
        """List the ids."""
        try:
            async with self._send("GET", "models") as response:
                await self._require_success(response)
                listed = self._decode(await response.read(), "data")["data"]
        except (aiohttp.ClientError, TimeoutError) as failure:
            raise self._failure(failure) from None
        return [row["id"] for row in listed if isinstance(row, dict) and isinstance(row.get("id"), str)]

    def _send(
        self, method: str, path: str, *, data: bytes | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        headers = {**self._headers, **({"Content-Type": "application/json"} if data else {})}
        return self._http.request(
            method, f"{self.place}/{path}", data=data, headers=headers, timeout=_PATIENCE, allow_redirects=False
        )

    async def _require_success(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 200:
            return
        if response.status == 401:
            raise AuthenticationFailed(f"{self.place} refused the key. Set LLMS_API_KEY, or pass one with --key.")
        refusal = Refusal(self.place, response.status, await response.read(), response.headers, time.time())
        raise error_for(refusal)

    async def _events(self, response: aiohttp.ClientResponse, model: str) -> AsyncGenerator[ChunkObject, None]:
        reader = ChunkReader(provider=self.place, max_event=_MAX_EVENT)
        conform = Conform(model=model, fallback_id=_ID, created=int(time.time()), include_usage=True)
        data = b" "
        while data and not reader.done:
            data = await response.content.readany()
            chunk = reader.feed(data) if data else reader.close()
            seen = conform.apply(chunk) if chunk is not None else None
            for item in seen.objects if seen is not None else ():
                yield item
            if reader.error is not None:
                raise reader.error
        if not conform.complete:
            raise UpstreamTruncated(f"{self.place}: the answer broke off")
        last = conform.last()
        for item in last.objects if last is not None else ():
            yield item

    def _conformed(self, whole: dict[str, Any], model: str) -> dict[str, Any]:
        return conform_completion(whole, model=model, fallback_id=_ID, created=int(time.time()))

    def _decode(self, raw: bytes, key: str) -> dict[str, Any]:
        try:
            found = json.loads(raw)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get(key), list):
            raise UpstreamProtocolError(f"{self.place} does not answer like OpenAI's API. Is the address right?")
        return found

    def _failure(self, failure: Exception) -> LlmsError:
        if isinstance(failure, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
            return UpstreamTruncated(f"{self.place}: the answer broke off")
        return UpstreamUnreachable(f"{self.place} cannot be reached ({_reason(failure)}). Start it with: llms serve")


def _reason(failure: Exception) -> str:
    if isinstance(failure, aiohttp.ClientOSError) and failure.errno is not None and failure.errno > 0:
        return os.strerror(failure.errno)
    return " ".join(str(failure).split()) or type(failure).__name__


@asynccontextmanager
async def remote(url: str, *, key: str) -> AsyncIterator[Remote]:
    """Open a session to talk to a server; a proxy of the environment is for hosts beyond this machine."""
    # No kept connections: between two turns of a chat nobody would notice that one was closed.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=not is_local(url)
    ) as http:
        yield Remote(url, key=key, http=http)


async def is_ours(url: str) -> bool:
    """Tell whether an `llms` server answers at the host of an address, within a second."""
    parts = urlsplit(url)
    try:
        async with (
            aiohttp.ClientSession(timeout=_PROBE) as http,
            http.get(f"{parts.scheme}://{parts.netloc}/health", allow_redirects=False) as answer,
        ):
            return answer.status == 200 and answer.headers.get("Server") == SERVER_NAME
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
