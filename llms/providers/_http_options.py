"""The keys that rows of all HTTP providers have, checked; and which of their values are secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from llms.config.masking import is_secret
from llms.providers._origin import DIRECT

_PLAIN_URL: Final = re.compile(r"[!-~]+", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE: Final = re.compile(r"[ -~\t]*", re.ASCII)
_OUR_HEADERS: Final = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "x-llms-hops"})
_CA_LIMIT: Final = 16 * 2**20
_TELLING: Final = frozenset({"sig", "signature", "code"})
"""Parameters that carry a secret in the addresses of some clouds."""
_UNVERIFIED: Final = frozenset(
    {"verify", "verify_ssl", "ssl_verify", "tls_verify", "verify_tls", "insecure", "skip_verify"}
)
"""What other programs call the switch that trusts everybody; whoever stands between would get the key, too."""
_SHORTEST_SECRET: Final = 8
"""Characters from which on a value is a secret: shorter ones are words, and taken out they would spoil every text."""


class HttpOptions(BaseModel):
    """What a row says of an upstream that is asked over HTTP; each kind adds its own `base_url`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr | None = Field(None, description="Sent as a Bearer token; usually ${SOME_API_KEY}.")
    headers: dict[str, str] = Field(default_factory=dict, description="Sent with every request.")
    models: tuple[str, ...] | None = Field(None, description="Model ids to list, instead of asking the upstream.")
    ca_file: str | None = Field(None, description="PEM file of the certificates to trust, instead of the system's.")
    proxy: SecretStr | None = Field(
        None, description="http://HOST:PORT of a proxy, or direct for none; instead of what the environment says."
    )

    @model_validator(mode="before")
    @classmethod
    def _verified(cls, row: Any) -> Any:
        for name in sorted(_UNVERIFIED.intersection(row) if isinstance(row, dict) else ()):
            raise ValueError(
                f"has no `{name}`: certificates are always verified. To trust an authority of your own, or one "
                "self-signed certificate, name its PEM file as `ca_file`"
            )
        return row

    @field_validator("ca_file")
    @classmethod
    def _certificates(cls, value: str | None) -> str | None:
        if value is None:
            return None
        path = os.path.expanduser(value)
        try:
            with open(path, "rb") as file:
                text = file.read(_CA_LIMIT)
        except OSError as failure:
            raise ValueError(f"cannot be read: {failure.strerror}") from None
        if b"CERTIFICATE-----" not in text:
            raise ValueError("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
        return path

    @field_validator("proxy")
    @classmethod
    def _http_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value() != DIRECT:
            from llms.proxies import proxy_at

            proxy_at(value.get_secret_value(), "`proxy`")
        return value

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
