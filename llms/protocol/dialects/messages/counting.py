"""How many tokens a request has, by a rule of thumb: where nobody can count them for its model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol import json

_BYTES_PER_TOKEN: Final = 4
_PER_BLOCK: Final = 4
"""Tokens that stand around each message, block and tool."""
_IMAGE: Final = 1600
"""Tokens of an image at the size that Anthropic scales to (documentation, "Vision"): about 1.15 megapixels / 750."""
_PAGE_BYTES: Final = 50_000
_PAGE: Final = 2000
"""Tokens of a page of a document, and the bytes that a page takes."""


def estimate(body: Mapping[str, Any]) -> int:
    """Return the tokens of system, messages and tools: four bytes each, images and pages at flat rates."""
    return max(1, sum(_tokens(body.get(name)) for name in ("system", "messages", "tools")))


def _tokens(value: Any) -> int:
    if isinstance(value, str):
        return -(-len(value.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
    if isinstance(value, list):
        return sum(_tokens(item) for item in value)
    if not isinstance(value, dict):
        return 0
    source = value.get("source")
    if value.get("type") == "image":
        return _IMAGE
    if value.get("type") == "document" and isinstance(source, dict) and source.get("type") in ("base64", "url"):
        return _PAGE * (1 + len(str(source.get("data") or "")) // _PAGE_BYTES)
    if isinstance(schema := value.get("input_schema"), dict):
        named = _tokens(value.get("name")) + _tokens(value.get("description"))
        return _PER_BLOCK + named + len(json.dumps(schema)) // _BYTES_PER_TOKEN
    if isinstance(value.get("input"), dict):
        return _PER_BLOCK + _tokens(value.get("name")) + len(json.dumps(value["input"])) // _BYTES_PER_TOKEN
    fields = ("text", "content", "thinking", "data", "source", "title", "context")
    return _PER_BLOCK + sum(_tokens(value.get(name)) for name in fields)
