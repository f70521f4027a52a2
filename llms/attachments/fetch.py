"""Fetch what links lead to, from public addresses only.

Whoever sends a request chooses the address, so it must not lead to this machine, its network or the metadata of a
cloud (server-side request forgery). A name is resolved once for each connection, all its addresses must be public,
and the connection goes to one of those; a redirect is a new link and judged like the first. No cookies, no proxies,
no credentials, and the number of bytes, the time and the kinds are bounded.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Any, Final, final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from llms.attachments.kinds import ENOUGH, kind_of
from llms.config.model import Attachments
from llms.egress import PrivateAddress, is_public, public_socket
from llms.protocol.errors import InvalidRequest
from llms.protocol.links import Link

_REDIRECTS: Final = 3
_REDIRECTING: Final = (301, 302, 303, 307, 308)
_READ: Final = 64 * 1024
_HEADERS: Final = {"User-Agent": "llms", "Accept-Encoding": "identity"}


class _Unfit(Exception):
    """Why a link cannot be fetched, in words that follow its field."""


@final
class Fetcher:
    """Turn links into `data:` URLs."""

    def __init__(
        self,
        *,
        is_public: Callable[[str], bool] = is_public,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        """Take which addresses may be connected to and who resolves names; the defaults are the internet's."""
        self._is_public = is_public
        self._resolver = resolver

    async def fetch(self, links: Sequence[Link], rules: Attachments) -> dict[str, str]:
        """Return a `data:` URL for each address; raise InvalidRequest, naming the field, when one is not to be had."""
        fetched: dict[str, str] = {}
        left = rules.max_bytes
        link = links[0]
        try:
            async with asyncio.timeout(rules.timeout), self._session() as http:
                for link in links:
                    if link.url not in fetched:
                        kind, data = await _follow(http, link, rules, left)
                        left -= len(data)
                        encoded = await asyncio.to_thread(base64.b64encode, data)
                        fetched[link.url] = f"data:{kind};base64,{encoded.decode()}"
        except TimeoutError:
            raise _refused(link, f"was not there within the {rules.timeout:g} s of attachments.timeout") from None
        except _Unfit as why:
            raise _refused(link, str(why)) from None
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            raise _refused(link, _words(failure)) from None
        return fetched

    def _session(self) -> aiohttp.ClientSession:
        def connect(address: tuple[Any, ...]) -> Any:
            return public_socket(address, self._is_public)

        connector = aiohttp.TCPConnector(
            resolver=_PublicNames(self._resolver(), self._is_public),
            socket_factory=connect,
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_READ,
            headers=_HEADERS,
        )


@final
class _PublicNames(AbstractResolver):
    """Resolve names all of whose addresses are public: one that leads inside as well is nobody's picture."""

    def __init__(self, inner: AbstractResolver, is_public: Callable[[str], bool]) -> None:
        self._inner = inner
        self._is_public = is_public

    async def resolve(self, host: str, port: int = 0, *args: Any, **options: Any) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, *args, **options)
        if not all(self._is_public(each["host"]) for each in found):
            raise PrivateAddress("not a public address")
        return found

    async def close(self) -> None:
        await self._inner.close()


async def _follow(http: aiohttp.ClientSession, link: Link, rules: Attachments, left: int) -> tuple[str, bytes]:
    url = URL(link.url)
    for _ in range(_REDIRECTS + 1):
        _require_fit(url, rules)
        async with http.get(url, allow_redirects=False) as answer:
            if answer.status not in _REDIRECTING:
                return await _read(answer, link, rules, left)
            url = _redirected(url, answer.headers.get("Location", ""))
    raise _Unfit(f"was redirected more than {_REDIRECTS} times")


def _require_fit(url: URL, rules: Attachments) -> None:
    """Judge the very object that is asked for: two readers of one text may see two hosts in it."""
    host = (url.raw_host or "").rstrip(".")
    if url.scheme not in ("http", "https") or not host:
        raise _Unfit("is no http:// or https:// address")
    if url.user is not None or url.password is not None:
        raise _Unfit("has a user name or a password in it, which are not sent")
    if rules.allow_hosts and not any(_matches(host, allowed.lower()) for allowed in rules.allow_hosts):
        raise _Unfit("leads to a host that is not in attachments.allow_hosts")


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _redirected(url: URL, location: str) -> URL:
    target = url.join(URL(location))
    if not location or (url.scheme == "https" and target.scheme != "https"):
        raise _Unfit("was redirected to nowhere, or from https to http")
    return target


async def _read(answer: aiohttp.ClientResponse, link: Link, rules: Attachments, left: int) -> tuple[str, bytes]:
    if answer.status != 200:
        raise _Unfit(f"was answered with status {answer.status}")
    data = bytearray()
    kind = None
    if (answer.content_length or 0) > left:
        raise _too_large(rules)
    async for piece in answer.content.iter_any():
        data += piece
        if len(data) > left:
            raise _too_large(rules)
        if kind is None and len(data) >= ENOUGH:
            kind = _required_kind(bytes(data[:ENOUGH]), link, rules)
    return kind or _required_kind(bytes(data), link, rules), bytes(data)


def _required_kind(data: bytes, link: Link, rules: Attachments) -> str:
    kind = kind_of(data)
    wanted = [each for each in rules.types if link.kind == "file" or each.startswith("image/")]
    if kind is None or kind not in wanted:
        raise _Unfit(f"leads to something else than {', '.join(wanted) or 'what attachments.types allows'}")
    return kind


def _too_large(rules: Attachments) -> _Unfit:
    return _Unfit(f"would make more than the {rules.max_bytes} bytes of attachments.max_bytes")


def _words(failure: Exception) -> str:
    cause = failure.os_error if isinstance(failure, aiohttp.ClientConnectorError) else failure
    if isinstance(cause, PrivateAddress):
        return "leads to this machine or its network; only public addresses are fetched"
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return "names a host that does not exist"
    if isinstance(failure, aiohttp.InvalidURL | ValueError):
        return "is no http:// or https:// address"
    return f"could not be fetched ({type(failure).__name__})"


def _refused(link: Link, why: str) -> InvalidRequest:
    return InvalidRequest(f"The link in `{link.param}` {why}.", param=link.param)
