"""What clients say to Gemini alone, in the place that Google's own OpenAI-compatible endpoint has for it.

`extra_body.google` is described on the page "OpenAI compatibility": `thinking_config`, `cached_content` and others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llms.protocol.errors import InvalidRequest


def extras(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of `extra_body.google`; raise InvalidRequest where it is no object."""
    found: Any = body
    where = ""
    for name in ("extra_body", "google"):
        where = f"{where}.{name}".removeprefix(".")
        found = found.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise InvalidRequest(f"`{where}` must be an object.", param=where)
    return dict(found)
