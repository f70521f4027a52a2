"""Import aiohttp for less: 50 ms and 3 MB of a server's start that it may never need.

While it is imported, aiohttp makes two TLS contexts and reads all root certificates into each. Here they are read with
the first connection of a context; our own connections to upstreams have a context of their own. And FrozenList, of
which a server has a handful, is taken in Python: its extension brings the whole library of C++.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager


class _LateContext(ssl.SSLContext):
    """A context that reads the root certificates when its first connection begins, and is a usual one from then on."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Read them, and go on as usual."""
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]
        self.set_default_verify_paths()
        return self.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


@contextmanager
def _certificates_later() -> Iterator[None]:
    """Let contexts that are made in here read no certificates yet."""

    def wait(self: ssl.SSLContext) -> None:
        self.__class__ = _LateContext

    ssl.SSLContext.set_default_verify_paths = wait  # type: ignore[method-assign]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


os.environ.setdefault("FROZENLIST_NO_EXTENSIONS", "1")
with _certificates_later():
    import aiohttp  # noqa: F401
