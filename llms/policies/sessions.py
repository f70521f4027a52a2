"""Signed-in browsers: a key goes in once, an unguessable token comes out, kept in memory only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection
from typing import Final, final

from llms.policies.keys import Caller

COOKIE: Final = "llms_session"
LIFETIME: Final = 30 * 24 * 3600.0
_LINK_LIFETIME = 600.0
_LIMIT = 10_000
BY_LINK: Final = Caller("link")
"""Whoever signs in with a link of `llms serve`: the link was printed where the server was started."""


@final
class Sessions:
    """Tokens of browsers and of one-time sign-in links, by digest."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Take a clock of monotonic seconds."""
        self._clock = clock
        self._open: dict[bytes, tuple[Caller, float]] = {}
        self._links: dict[bytes, tuple[Caller, float]] = {}

    def open(self, caller: Caller) -> str:
        """Return a new session token for a caller."""
        return self._new(self._open, caller, LIFETIME)

    def caller_of(self, token: str) -> Caller | None:
        """Return who a session token belongs to; None when it is unknown or over."""
        found = self._open.get(_digest(token))
        return found[0] if found is not None and found[1] > self._clock() else None

    def close(self, token: str) -> None:
        """Forget a session."""
        self._open.pop(_digest(token), None)

    def keep(self, callers: Collection[Caller]) -> None:
        """End the sessions of everybody else, whose keys were taken away; those of links stay."""
        kept = {*callers, BY_LINK}
        self._open = {digest: found for digest, found in self._open.items() if found[0] in kept}

    def link(self, caller: Caller) -> str:
        """Return a one-time token for a sign-in link, good for ten minutes."""
        return self._new(self._links, caller, _LINK_LIFETIME)

    def redeem(self, link: str) -> Caller | None:
        """Use up a link; None when it is unknown, used or over."""
        found = self._links.pop(_digest(link), None)
        return found[0] if found is not None and found[1] > self._clock() else None

    def _new(self, table: dict[bytes, tuple[Caller, float]], caller: Caller, lifetime: float) -> str:
        token = secrets.token_urlsafe(32)
        while len(table) >= _LIMIT:
            del table[next(iter(table))]
        table[_digest(token)] = (caller, self._clock() + lifetime)
        return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
