"""The blocks of a client's message that are said or shown, as the parts of a chat's message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llms.protocol.dialects.messages.checks import object_at, objects, refuse, text_at
from llms.protocol.errors import InvalidRequest


def part_of(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the part that a block comes to, with its mark for caching."""
    kind = block.get("type")
    if kind == "text":
        part: dict[str, Any] = {"type": "text", "text": text_at(block, "text", where)}
    elif kind == "image":
        part = {"type": "image_url", "image_url": {"url": _address(object_at(block, "source", where), where)}}
    elif kind == "document":
        part = _document(block, where)
    elif kind == "search_result":
        part = {"type": "text", "text": _found(block, where)}
    elif isinstance(kind, str):
        raise InvalidRequest(
            f"`{where}` is a block of type {kind[:60]!r}, which only Anthropic's own models take: leave it out, or ask "
            "for a model of a provider of type anthropic.",
            param=where,
        )
    else:
        refuse(f"{where}.type", "a string", kind)
    return {**part, "cache_control": block["cache_control"]} if block.get("cache_control") else part


def joined(parts: Sequence[Mapping[str, Any]], *, run_on: bool = False) -> Any:
    """Return parts as a plain text where one text is all there is; with `run_on`, texts without marks are one."""
    plain = all(part["type"] == "text" and len(part) == 2 for part in parts)
    if plain and (run_on or len(parts) <= 1):
        return "".join(part["text"] for part in parts)
    return list(parts)


def _address(source: Mapping[str, Any], where: str) -> str:
    kind = source.get("type")
    if kind == "url":
        return text_at(source, "url", f"{where}.source")
    if kind == "base64":
        media, data = text_at(source, "media_type", f"{where}.source"), text_at(source, "data", f"{where}.source")
        return f"data:{media};base64,{data}"
    raise InvalidRequest(
        f"`{where}.source.type` must be base64 or url: what lies at Anthropic can only be shown to its own models.",
        param=f"{where}.source.type",
    )


def _document(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    source = object_at(block, "source", where)
    title = block.get("title") if isinstance(block.get("title"), str) else None
    if source.get("type") == "text":
        return _titled(block, title, text_at(source, "data", f"{where}.source"))
    if source.get("type") == "content":
        return _titled(block, title, _text(source.get("content"), f"{where}.source.content"))
    name = title or "document.pdf"
    return {"type": "file", "file": {"filename": name, "file_data": _address(source, where)}}


def _titled(block: Mapping[str, Any], title: str | None, text: str) -> dict[str, Any]:
    context = block.get("context")
    lines = [line for line in (title, context if isinstance(context, str) else None, text) if line]
    return {"type": "text", "text": "\n\n".join(lines)}


def _found(block: Mapping[str, Any], where: str) -> str:
    head = [str(block[name]) for name in ("title", "source") if block.get(name)]
    return "\n".join([*head, _text(block.get("content"), f"{where}.content")])


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(text_at(each, "text", f"{where}[{at}]") for at, each in enumerate(objects(content, where)))
