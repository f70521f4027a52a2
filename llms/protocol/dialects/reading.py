"""What all dialects of upstreams read of a chat: bytes in data: URLs, arguments of calls; and how they refuse."""

from __future__ import annotations

from typing import Any

from llms.protocol import json
from llms.protocol.errors import InvalidRequest, excerpt

_SHOWN = 60


def data_url(url: str, where: str) -> tuple[str, str]:
    """Return the media type and the base64 of a data: URL; raise InvalidRequest for one without either."""
    head, _, data = url.partition(",")
    kind = head.removeprefix("data:").partition(";")[0]
    if "/" not in kind or not head.endswith(";base64") or not data:
        raise refused(where, "must be a data: URL with a media type and base64 (data:image/png;base64,…)", head)
    return kind, data


def arguments(text: object, where: str) -> dict[str, Any]:
    """Return the arguments of a call, decoded; raise InvalidRequest where they are no object."""
    try:
        found = json.loads(text.encode()) if isinstance(text, str) and text.strip() else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise refused(where, "must be the JSON text of an object", text)
    return found


def refused(where: str, what: str, found: object = None) -> InvalidRequest:
    """Return the error for a field, with the beginning of what was found there."""
    shown = "" if found is None else f", found {excerpt(found, _SHOWN)}"
    return InvalidRequest(f"`{where}` {what}{shown}.", param=where)
