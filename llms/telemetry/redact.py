"""Keep secrets out of what is written down: by the name of a field, by a configured value, by the shape of a key."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, final
from urllib.parse import quote

from llms.config.masking import MASK

SHORTEST_SECRET: Final = 8
"""Shorter values are not searched for: placeholder keys such as `ollama` or `none` are ordinary words."""

_MOST_LEARNT: Final = 256
_DEEPEST: Final = 8
_ENDINGS: Final = ("api_key", "apikey", "authorization", "cookie", "password", "passwd", "secret", "token")
_MASK: Final = MASK.encode()

_SHAPES: Final = rb"""
    (?P<keep>
        bearer[ ]
      | ://(?=[^\s/@"'\\]*:[^\s/@"'\\]*@)                          # user and password of a URL
      | [?&]key=
      | (?:api[-_]?key|authorization|cookie|password|passwd|secret|token)
        QUOTE \s?[:=]\s? QUOTE (?:(?:bearer|basic)[ ])?
    )
    [^\s"'\\,;&@}\x1b]+
    | (?:\b|(?<=\\[bfnrt])|(?<=\\u[0-9a-f]{4})) sk-[\w-]{8,}        # also behind a line break that JSON escaped
"""
_IN_TEXT: Final = re.compile(_SHAPES.replace(b"QUOTE", rb"""[\\"']*"""), re.VERBOSE | re.IGNORECASE)
_IN_JSON: Final = re.compile(_SHAPES.replace(b"QUOTE", rb"""(?:\\(?:\\\\)*"|')?"""), re.VERBOSE | re.IGNORECASE)
"""Passes over quotes that JSON escaped and over no other, so that a masked line is JSON still."""


@final
class Redactor:
    """What must never be written down; shared by every log line and error text of the process."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self.needles: tuple[bytes, ...] = ()
        """What is searched for, in every spelling that a log can give it; another tuple after each change."""
        self._configured: Collection[str] = ()
        self._learnt: list[str] = []
        self.update(secrets)

    def update(self, secrets: Collection[str]) -> None:
        """Take a new set of configured secrets in place of the old one."""
        self._configured = secrets
        self._search()

    def learn(self, secrets: Collection[str]) -> None:
        """Take secrets that came while the process ran; of more than 256 the newest count."""
        self._learnt = [*(secret for secret in self._learnt if secret not in secrets), *secrets][-_MOST_LEARNT:]
        self._search()

    def _search(self) -> None:
        secrets = (secret for secret in (*self._configured, *self._learnt) if len(secret) >= SHORTEST_SECRET)
        needles = {form for secret in secrets for form in _spellings(secret)}
        self.needles = tuple(sorted(needles, key=len, reverse=True))

    def json(self, line: bytes) -> bytes:
        """Return a JSON text without secrets."""
        return self._masked(line, _IN_JSON)

    def text(self, text: str) -> str:
        """Return a text for people without secrets."""
        return self._masked(text.encode("utf-8", "surrogatepass"), _IN_TEXT).decode("utf-8", "surrogatepass")

    def finds_nothing(self, text: bytes) -> bool:
        """Tell whether a text of single words is without secrets for sure."""
        return not _may_have_shapes(text) and not any(needle in text for needle in self.needles)

    def _masked(self, line: bytes, shapes: re.Pattern[bytes]) -> bytes:
        for needle in self.needles:
            if needle in line:
                line = line.replace(needle, _MASK)
        return shapes.sub(rb"\g<keep>" + _MASK, line) if _may_have_shapes(line) else line


def _may_have_shapes(line: bytes) -> bool:
    """Look before a search that is slow: most lines are single words between quotes; only one shape hides in a word."""
    return b" " in line or b"=" in line or b"@" in line or b"\\" in line or b"sk-" in line


def _spellings(secret: str) -> set[bytes]:
    escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
    forms = (secret, escaped, json.dumps(secret)[1:-1], quote(secret, safe=""), repr(secret)[1:-1])
    return {form.encode("utf-8", "surrogatepass") for form in forms}


def is_sensitive(name: str) -> bool:
    """Tell whether a field of this name holds a secret (`api_key`, `X-Api-Key`, `upstream_token`, …)."""
    return name.lower().replace("-", "_").endswith(_ENDINGS)


@lru_cache(maxsize=512)
def sensitive_among(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the names that hold secrets; call sites repeat themselves, so the answers are kept."""
    return tuple(name for name in names if is_sensitive(name))


def without_secrets(value: Any, depth: int = 0) -> Any:
    """Return nested dicts and sequences with the values of sensitive names masked, at most 8 levels deep."""
    if not isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return value
    if depth == _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            (name := str(key)): MASK if is_sensitive(name) else without_secrets(item, depth + 1)
            for key, item in value.items()
        }
    items: Iterable[Any] = value
    return [without_secrets(item, depth + 1) for item in items]
