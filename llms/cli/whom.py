"""Whom `llms chat` asks: the server that was named, one that runs here, or an engine in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

from llms.cli.output import fail
from llms.cli.remote import is_ours, remote
from llms.protocol.address import api_url, is_local
from llms.protocol.chat import ChunkObject

_USUAL: Final = "http://127.0.0.1:8000/v1"


class Answering(Protocol):
    """Whoever answers chats in the terminal."""

    @property
    def place(self) -> str:
        """Say in a word or two where the answers come from."""
        ...

    def chat(self, body: Mapping[str, Any]) -> AsyncGenerator[ChunkObject, None]:
        """Yield the chunks of an answer, of a whole one too; raise an LlmsError; aclose() stops the upstream."""
        ...

    async def models(self) -> Sequence[str]:
        """List the ids that may be asked for, the preferred ones first; raise an LlmsError."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says about it."""

    url: str | None = None
    key: str | None = None
    config: str | None = None
    """A file that was named: it is for an engine of our own."""


async def whom(wish: Wish, environ: Mapping[str, str]) -> AbstractAsyncContextManager[Answering]:
    """Return who answers, to be entered; exit where the address or the configuration is wrong.

    In turn: --url, --config (in process), LLMS_URL, OPENAI_BASE_URL and then the usual port where a server of
    ours answers on this machine, and last in process. A key goes only where it was meant for.
    """
    own_key = wish.key if wish.key is not None else environ.get("LLMS_API_KEY", "").strip()
    named = wish.url or ("" if wish.config else environ.get("LLMS_URL", "").strip())
    if named:
        return remote(_address(named), key=own_key)
    if not wish.config:
        url = _local_address(environ.get("OPENAI_BASE_URL", ""))
        if url and await is_ours(url):
            return remote(url, key=wish.key or environ.get("OPENAI_API_KEY", "").strip())
        if await is_ours(_USUAL):
            return remote(_USUAL, key=own_key)
    from llms.cli.in_process import in_process
    from llms.cli.settings import configuration

    return in_process(configuration(wish.config))


def _address(text: str) -> str:
    try:
        return api_url(text)
    except ValueError as error:
        fail(str(error))


def _local_address(text: str) -> str:
    """Return an address on this machine; empty for any other and for none."""
    try:
        url = api_url(text)
    except ValueError:
        return ""
    return url if is_local(url) else ""
