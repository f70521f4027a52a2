"""The keys that rows of all HTTP providers have, checked; and which of their values are secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from llms.config.masking import is_secret
from llms.config.secret import SecretStr
from llms.config.section import Section, field
from llms.config.values import REFERENCE, Plain, Refusal, Value
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


@dataclass(frozen=True, slots=True)
class HttpAddress(Plain):
    """An http:// or https:// address, without user and password."""

    def read(self, raw: object, /) -> str:
        address = Plain.read(self, raw).strip()
        try:
            url = urlsplit(address)
            port = url.port
        except ValueError as problem:
            raise Refusal(f"must be an http:// or https:// address ({problem})") from None
        if url.scheme not in ("http", "https") or not url.hostname or not _PLAIN_URL.fullmatch(address):
            raise Refusal("must be an http:// or https:// address")
        if url.username or url.password:
            raise Refusal("must not hold a user or password: use api_key or headers")
        if port == 0:
            raise Refusal("must not have port 0")
        return address.rstrip("/")


@dataclass(frozen=True, slots=True)
class Credential(Value):
    """A key or token as it goes into a header."""

    def read(self, raw: object, /) -> SecretStr:
        text = Plain().read(raw.get_secret_value() if isinstance(raw, SecretStr) else raw)
        if not _HEADER_VALUE.fullmatch(text):
            raise Refusal("holds characters that no key may hold (a line break?)")
        return SecretStr(text)

    def schema(self) -> dict[str, Any]:
        return Plain().schema()


@dataclass(frozen=True, slots=True)
class KeyId(Plain):
    """What names a key, and goes into a header too."""

    def read(self, raw: object, /) -> str:
        return Credential().read(raw).get_secret_value()


@dataclass(frozen=True, slots=True)
class Word(Plain):
    """Text of one form; `words` say which."""

    pattern: str
    words: str

    def read(self, raw: object, /) -> str:
        text = Plain.read(self, raw)
        if not re.fullmatch(self.pattern, text):
            raise Refusal(f"must be {self.words}")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^(?:{self.pattern})$|{REFERENCE}"}


@dataclass(frozen=True, slots=True)
class Certificates(Plain):
    """The path of a PEM file that is there."""

    def read(self, raw: object, /) -> str:
        path = os.path.expanduser(Plain.read(self, raw))
        try:
            with open(path, "rb") as file:
                text = file.read(_CA_LIMIT)
        except (OSError, ValueError) as failure:
            raise Refusal(f"cannot be read: {getattr(failure, 'strerror', failure)}") from None
        if b"CERTIFICATE-----" not in text:
            raise Refusal("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
        return path


def _proxy(address: SecretStr) -> SecretStr:
    if address.get_secret_value() != DIRECT:
        from llms.proxies import proxy_at

        try:
            proxy_at(address.get_secret_value(), "`proxy`")
        except ValueError as problem:
            raise Refusal(str(problem)) from None
    return address


Address = Annotated[str, HttpAddress()]
Token = Annotated[SecretStr, Credential()]


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
            raise Refusal(f"header {name[:60]!r} holds characters that no header may hold")
        if name.lower() in _OUR_HEADERS:
            raise Refusal(f"header {name!r} is set for each request by itself: leave it out")
    return headers


class HttpOptions(Section):
    """What a row says of an upstream that is asked over HTTP; each kind adds its own `base_url`."""

    api_key: Token | None = field(default=None, description="Sent as a Bearer token; usually ${SOME_API_KEY}.")
    headers: Annotated[dict[str, str], _sendable] = field(default_factory=dict, description="Sent with every request.")
    models: tuple[str, ...] | None = field(
        default=None, description="Model ids to list, instead of asking the upstream."
    )
    ca_file: Annotated[str, Certificates()] | None = field(
        default=None, description="PEM file of the certificates to trust, instead of the system's."
    )
    proxy: Annotated[SecretStr, _proxy] | None = field(
        default=None,
        description="http://HOST:PORT of a proxy, or direct for none; instead of what the environment says.",
    )

    @classmethod
    def prepared(cls, raw: Any) -> Any:
        for name in sorted(_UNVERIFIED.intersection(raw) if isinstance(raw, dict) else ()):
            raise Refusal(
                f"has no `{name}`: certificates are always verified. To trust an authority of your own, or one "
                "self-signed certificate, name its PEM file as `ca_file`"
            )
        return raw


def secrets_of(key: str, *named: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must not reach a message, the longest first, as it may hold another.

    That is our key, and the values of headers and of an address's parameters whose names say that they are secret;
    of one like "Basic …" also what follows the scheme.
    """
    telling = [value for each in named for name, value in each.items() if is_secret(name) or name.lower() in _TELLING]
    found = {text for value in telling for text in (value, *value.split()[-1:]) if len(text) >= _SHORTEST_SECRET}
    return tuple(sorted(found | ({key} if key else set()), key=len, reverse=True))
