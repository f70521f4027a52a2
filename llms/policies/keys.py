"""Who may call: keys are compared by digest, in constant time, whichever header they came in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import final

from llms.protocol.errors import AuthenticationFailed


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request: the short name of its key, empty where none is needed."""

    key_id: str = ""


ANYBODY = Caller()


@final
class Keys:
    """The keys that open the door."""

    def __init__(self, values: Collection[str], *, required: bool) -> None:
        """Keep digests only; `required` closes the door to callers without a key."""
        self._callers: Mapping[bytes, Caller] = {_digest(v): Caller(f"key-{_digest(v).hex()[:8]}") for v in values if v}
        self.required = required

    def check(self, bearer: str | None, api_key: str | None) -> Caller:
        """Return who calls; raise AuthenticationFailed.

        `bearer` is the Authorization header as it came, `api_key` the x-api-key header. Two different keys
        are refused: one of the two may have been meant for somebody else.
        """
        if not self.required and not self._callers:
            return ANYBODY
        given = _from_bearer(bearer) if bearer is not None else None
        if given is not None and api_key is not None and not hmac.compare_digest(_digest(given), _digest(api_key)):
            raise AuthenticationFailed("Authorization and x-api-key hold different keys. Send one of them.")
        key = given if given is not None else api_key
        if key:
            digest = _digest(key)
            caller = self._callers.get(digest)
            if caller is not None:
                return caller
        if not self.required:
            return ANYBODY
        raise AuthenticationFailed(
            "This server needs an API key. Send it as `Authorization: Bearer <key>` or `x-api-key: <key>`."
            if not key
            else "The API key is not one of this server's. See `keys` in its providers.yaml."
        )

    @property
    def callers(self) -> Collection[Caller]:
        """Return everybody who has a key."""
        return self._callers.values()

    def caller_of(self, key: str) -> Caller | None:
        """Return who owns a key; None when nobody does."""
        return self._callers.get(_digest(key)) if key else None


def new_key() -> str:
    """Return a fresh random key (256 bits)."""
    return f"sk-llms-{secrets.token_urlsafe(32)}"


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def _from_bearer(header: str) -> str:
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
