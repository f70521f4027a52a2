"""What a reasoning item carries for the model alone: a chat's reasoning details, and the text they belong to.

OpenAI's clients give `encrypted_content` back as it was and never look into it. Ours is the chat's own form behind a
mark; whatever has no mark is OpenAI's, and goes to upstreams that know it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from llms.protocol import json

_MARK: Final = "llms1."
_OPENAI: Final = "openai-responses-v1"


class Thought(NamedTuple):
    """What was thought, as chats carry it."""

    text: str = ""
    details: Sequence[Mapping[str, Any]] = ()


def seal(thought: Thought) -> str:
    """Return a thought as `encrypted_content`; a detail that came from OpenAI goes out as it came."""
    if not thought.text and len(thought.details) == 1 and _is_openai(thought.details[0]):
        return str(thought.details[0]["data"])
    held = {"text": thought.text, "details": list(thought.details)}
    return _MARK + base64.urlsafe_b64encode(json.dumps(held)).decode()


def unseal(item: Mapping[str, Any]) -> Thought:
    """Return the thought of a reasoning item: what it carries sealed, or else the text that it shows."""
    sealed = item.get("encrypted_content")
    if isinstance(sealed, str) and sealed:
        if not is_ours(item):
            detail = {"type": "reasoning.encrypted", "data": sealed, "format": _OPENAI, "index": 0}
            return Thought(_shown(item), [{**detail, "id": item["id"]} if "id" in item else detail])
        held = _opened(sealed)
        if held is not None:
            return held
    return Thought(_shown(item))


def is_ours(item: Mapping[str, Any]) -> bool:
    """Tell whether a reasoning item is sealed by us, so that no upstream could read it."""
    sealed = item.get("encrypted_content")
    return isinstance(sealed, str) and sealed.startswith(_MARK)


def _opened(sealed: str) -> Thought | None:
    try:
        held = json.loads(base64.urlsafe_b64decode(sealed.removeprefix(_MARK).encode()))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(held, dict):
        return None
    text, details = held.get("text"), held.get("details")
    kept = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    return Thought(text if isinstance(text, str) else "", kept)


def _shown(item: Mapping[str, Any]) -> str:
    """Return the reasoning that an item shows in full; a summary is none."""
    parts = item.get("content")
    found = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return "".join(text for text in found if isinstance(text, str))


def _is_openai(detail: Mapping[str, Any]) -> bool:
    sealed = detail.get("type") == "reasoning.encrypted" and detail.get("format") == _OPENAI
    return sealed and isinstance(detail.get("data"), str)
