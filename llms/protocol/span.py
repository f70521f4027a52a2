"""Find the bytes of `messages` in a large request body, so that they go on as they came.

Encoding a long prompt again costs more than all the rest of a request. The other members are few and small:
they are always encoded again, after `messages`, so that whoever reads the last of two equal keys (as JSON
readers do) reads what we read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llms.protocol import json

_KEY: Final = b'"messages"'
_SPACE: Final = b" \t\r\n"
_TRIES: Final = 8
_EDGE: Final = 64 * 1024
"""Bytes before and after `messages` that are looked at."""
_NEXT_MEMBER: Final = re.compile(rb'\][ \t\r\n]*,[ \t\r\n]*"')
_BRACKETS: Final = 64
"""Closing brackets inside `messages` that are looked at: beyond, encoding again is the cheaper."""


def messages_span(raw: bytes, body: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return where the value of `messages` stands in `raw`, whose decoded form is `body`; None when not sure."""
    key = raw.find(_KEY, 0, _EDGE)
    if key < 0:
        return None
    before = _members(raw[:key].rstrip(_SPACE).removesuffix(b",") + b"}")
    start = _value_after(raw, key + len(_KEY))
    if before is None or start is None:
        return None
    end = len(raw)
    for _ in range(_TRIES):
        end = raw.rfind(b"]", max(start, len(raw) - _EDGE), end)
        if end < 0:
            return None
        after = _members(b"{" + raw[end + 1 :].lstrip(_SPACE).removeprefix(b","))
        if after is not None and _is_all(before, after, body):
            return (start, end + 1) if _is_one(raw, start, end) else None
    return None


def _value_after(raw: bytes, at: int) -> int | None:
    """Return where the list after a key begins."""
    while raw[at : at + 1] in (b" ", b"\t", b"\r", b"\n", b":") and at < len(raw):
        at += 1
    return at if raw[at : at + 1] == b"[" else None


def _members(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_all(before: dict[str, Any], after: dict[str, Any], body: Mapping[str, Any]) -> bool:
    """Tell whether the members around `messages` are all that the body has beside it, each once."""
    around = {**before, **after}
    if len(around) != len(before) + len(after) or len(around) + 1 != len(body) or "messages" in around:
        return False
    return all(name in body and body[name] == value for name, value in around.items())


def _is_one(raw: bytes, start: int, end: int) -> bool:
    """Tell whether a text that may be several members is one value for sure; False when that takes long to tell.

    Were there a second member, the first value would end in `]`, and a comma and the quote of a name would follow.
    """
    for _ in range(_BRACKETS):
        start = raw.find(b"]", start, end)
        if start < 0:
            return True
        if _NEXT_MEMBER.match(raw, start, end):
            return False
        start += 1
    return False
