"""The keys that rows of all HTTP providers have, checked; and which of their values are secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from llms.config.masking import is_secret

_PLAIN_URL: Final = re.compile(r"[!-~]+", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE: Final = re.compile(r"[ -~\t]*", re.ASCII)
_OUR_HEADERS: Final = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "x-llms-hops"})
_TELLING: Final = frozenset({"sig", "signature", "code"})
"""Parameters that carry a secret in the addresses of some clouds."""
_SHORTEST_SECRET: Final = 8
"""Characters from which on a value is a secret: shorter ones are words, and taken out they would spoil every text."""


class HttpOptions(BaseModel):
    """What a row says of an upstream that is asked over HTTP; each kind adds its own `base_url`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr | None = Field(None, description="Sent as a Bearer token; usually ${SOME_API_KEY}.")
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every request.")
    models: tuple[str, ...] | None = Field(None, description="Model ids to list, instead of asking the upstream.")

    @field_validator("base_url", check_fields=False)
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            url = urlsplit(value.strip())
            port = url.port
        except ValueError as problem:
            raise ValueError(f"must be an http:// or https:// address ({problem})") from None
        if url.scheme not in ("http", "https") or not url.hostname or not _PLAIN_URL.fullmatch(value.strip()):
            raise ValueError("must be an http:// or https:// address")
        if url.username or url.password:
            raise ValueError("must not hold a user or password: use api_key or headers")
        if port == 0:
            raise ValueError("must not have port 0")
        return value.strip().rstrip("/")

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
                raise ValueError(f"header {name[:60]!r} holds characters that no header may hold")
            if name.lower() in _OUR_HEADERS:
                raise ValueError(f"header {name!r} is set for each request by itself: leave it out")
        return value

    @field_validator("api_key", "token", "session_token", "access_key_id", check_fields=False)
    @classmethod
    def _plain_key(cls, value: SecretStr | str | None) -> SecretStr | str | None:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
        if not _HEADER_VALUE.fullmatch(text):
            raise ValueError("holds characters that no key may hold (a line break?)")
        return value


def secrets_of(key: str, *named: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must not reach a message, the longest first, as it may hold another.

    That is our key, and the values of headers and of an address's parameters whose names say that they are secret;
    of one like "Basic …" also what follows the scheme.
    """
    telling = [value for each in named for name, value in each.items() if is_secret(name) or name.lower() in _TELLING]
    found = {text for value in telling for text in (value, *value.split()[-1:]) if len(text) >= _SHORTEST_SECRET}
    return tuple(sorted(found | ({key} if key else set()), key=len, reverse=True))
