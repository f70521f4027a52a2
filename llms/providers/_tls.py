"""TLS towards upstreams: whom we trust, what is wrong with a certificate, and whether a connection was ended by it."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import Final, final

_EXPIRED: Final = 10
_NOT_YET: Final = 9
_SELF_SIGNED: Final = 18
_OTHER_NAMES: Final = (62, 64)
_UNKNOWN: Final = (2, 19, 20, 21)
"""X509_V_ERR_… of OpenSSL's x509_vfy.h."""


class NoWay(OSError):
    """There is no way to an origin; the message says why and how to mend it."""

    def __init__(self, message: str, *, lasting: bool = True) -> None:
        """`lasting`: until somebody mends it, another try ends the same."""
        super().__init__(message)
        self.lasting = lasting


@final
class Contexts:
    """The TLS contexts of a pool: one for the system's roots, one for each file of roots that a row names."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._reading = asyncio.Lock()
        self._made: dict[str, tuple[int, ssl.SSLContext]] = {}

    async def of(self, ca_file: str) -> ssl.SSLContext:
        """Return a context, read in a thread when it is asked for first and after its file changed; raise NoWay.

        Without a file OpenSSL's own rules count: SSL_CERT_FILE and SSL_CERT_DIR, else the system's roots.
        """
        try:
            changed = os.stat(ca_file).st_mtime_ns if ca_file else 0
            async with self._reading:
                known = self._made.get(ca_file)
                if known is None or known[0] != changed:
                    known = changed, await asyncio.to_thread(_context, ca_file)
                    self._made[ca_file] = known
        except OSError as failure:
            raise NoWay(f"`ca_file` {ca_file} cannot be read: {failure.strerror or failure}") from None
        return known[1]


def _context(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None)
    context.set_alpn_protocols(["http/1.1"])
    return context


def is_ended(transport: asyncio.BaseTransport | None) -> bool:
    """Tell whether the other side ended a lost connection itself: with TLS it says so (close_notify), or was cut off.

    Without this, whoever can end a TCP connection could end an answer that lasts as long as its connection.
    """
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


def untrusted(failure: ssl.SSLCertVerificationError, place: str, ca_file: str) -> str:
    """Say what is wrong with the certificate of a place, and how to mend it."""
    code = failure.verify_code
    if code == _EXPIRED:
        return (
            f"the TLS certificate of {place} has expired: it has to be renewed there, or this machine's clock is wrong"
        )
    if code == _NOT_YET:
        return f"the TLS certificate of {place} is not valid yet: is this machine's clock wrong?"
    if code in _OTHER_NAMES:
        return f"the TLS certificate of {place} is for another name: `base_url` must have the name in the certificate"
    if code != _SELF_SIGNED and code not in _UNKNOWN:
        return f"the TLS certificate of {place} was refused: {failure.verify_message}"
    if ca_file:
        return f"the TLS certificate of {place} is not one of `ca_file` {ca_file}"
    who = "itself" if code == _SELF_SIGNED else "an authority that is unknown here"
    fix = "that certificate" if code == _SELF_SIGNED else "the authority's certificate"
    return f"the TLS certificate of {place} is signed by {who}: to trust it, name a file with {fix} as `ca_file`"


def handshake_failed(failure: ssl.SSLError, place: str) -> str:
    """Say why TLS was not agreed upon."""
    if failure.reason == "WRONG_VERSION_NUMBER":
        return f"{place} does not speak TLS: is it an http:// address?"
    reason = (failure.reason or type(failure).__name__).replace("_", " ").lower()
    return f"the TLS handshake with {place} failed: {reason}"
