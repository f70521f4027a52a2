"""Turn content that an upstream sends as a list of parts into the text that clients concatenate."""

from __future__ import annotations

from typing import Any


def join_parts(holder: dict[str, Any]) -> None:
    """Make the `content` of a delta or message text (or null), in place; thinking parts become `reasoning_content`."""
    content = holder.get("content")
    if content is None or isinstance(content, str):
        return
    text: list[str] = []
    thinking: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, dict) and part.get("type") == "thinking":
            thinking += _texts(part.get("thinking"))
        else:
            text += _texts(part)
    holder["content"] = "".join(text)
    if thinking:
        known = holder.get("reasoning_content")
        holder["reasoning_content"] = (known if isinstance(known, str) else "") + "".join(thinking)


def _texts(part: object) -> list[str]:
    """Return the texts of a part: text itself, an object with `text`, or a list of either."""
    if isinstance(part, list):
        return [text for inner in part for text in _texts(inner)]
    text = part.get("text") if isinstance(part, dict) else part
    return [text] if isinstance(text, str) else []
