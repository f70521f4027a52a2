"""AWS Signature Version 4, as "Create a signed AWS API request" of the IAM User Guide describes it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """Who signs, and for where."""

    key_id: str
    secret: str
    session_token: str
    region: str
    service: str


def signed(credentials: Credentials, *, method: str, host: str, path: str, body: bytes, now: float) -> dict[str, str]:
    """Return the headers that sign a request without parameters; `path` is as sent, `now` in Unix seconds."""
    moment = datetime.fromtimestamp(now, UTC)
    stamp, day = f"{moment:%Y%m%dT%H%M%SZ}", f"{moment:%Y%m%d}"
    headers = {"host": host, "x-amz-date": stamp}
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    names = ";".join(headers)
    scope = f"{day}/{credentials.region}/{credentials.service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, _digest(_canonical(method, path, headers, names, body))))
    signature = hmac.new(_key(credentials, day), text.encode(), hashlib.sha256).hexdigest()
    told = f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    del headers["host"]
    return {**headers, "authorization": told}


def _canonical(method: str, path: str, headers: Mapping[str, str], names: str, body: bytes) -> bytes:
    """Return the request as it is signed: a path that is encoded already is encoded once more."""
    lines = [f"{name}:{value}\n" for name, value in headers.items()]
    return "\n".join((method, quote(path, safe="/-_.~"), "", "".join(lines), names, _digest(body))).encode()


def _key(credentials: Credentials, day: str) -> bytes:
    key = f"AWS4{credentials.secret}".encode()
    for part in (day, credentials.region, credentials.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
