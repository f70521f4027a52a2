"""Signed-in browsers: a key goes in once, an unguessable token comes out, kept by digest only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, final

from llms.policies.keys import Caller
from llms.stores.tokens import FolderTokens, Held, MemoryTokens, Tokens

if TYPE_CHECKING:
    from llms.stores.crew import Crew

COOKIE: Final = "llms_session"
LIFETIME: Final = 30 * 24 * 3600.0
_LINK_LIFETIME = 600.0
BY_LINK: Final = Caller("link")
"""Whoever signs in with a link of `llms serve`: the link was printed where the server was started."""


@final
class Sessions:
    """Tokens of browsers and of one-time sign-in links, by digest."""

    def __init__(self, *, clock: Callable[[], float], kept: Tokens, links: Tokens) -> None:
        """Take a clock of monotonic seconds, and where sessions and links are kept."""
        self._clock = clock
        self._open = kept
        self._links = links

    def open(self, caller: Caller) -> str:
        """Return a new session token for a caller."""
        return self._new(self._open, caller, LIFETIME)

    def caller_of(self, token: str) -> Caller | None:
        """Return who a session token belongs to; None when it is unknown or over."""
        return self._caller(self._open.get(_digest(token)))

    def close(self, token: str) -> None:
        """Forget a session."""
        self._open.pop(_digest(token))

    def keep(self, callers: Collection[Caller]) -> None:
        """End the sessions of everybody else, whose keys were taken away; those of links stay."""
        self._open.keep({caller.key_id for caller in (*callers, BY_LINK)})

    def link(self, caller: Caller) -> str:
        """Return a one-time token for a sign-in link, good for ten minutes."""
        return self._new(self._links, caller, _LINK_LIFETIME)

    def redeem(self, link: str) -> Caller | None:
        """Use up a link; None when it is unknown, used or over."""
        return self._caller(self._links.pop(_digest(link)))

    def _caller(self, held: Held | None) -> Caller | None:
        return Caller(held.key_id) if held is not None and held.until > self._clock() else None

    def _new(self, tokens: Tokens, caller: Caller, lifetime: float) -> str:
        token = secrets.token_urlsafe(32)
        tokens.put(_digest(token), Held(caller.key_id, self._clock() + lifetime))
        return token


def open_sessions(*, clock: Callable[[], float], crew: Crew | None = None) -> Sessions:
    """Return the sessions of one process, or those that the workers of a crew share."""
    if crew is None:
        return Sessions(clock=clock, kept=MemoryTokens(), links=MemoryTokens())
    kept, links = FolderTokens(crew.tokens("sessions")), FolderTokens(crew.tokens("links"))
    return Sessions(clock=clock, kept=kept, links=links)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
