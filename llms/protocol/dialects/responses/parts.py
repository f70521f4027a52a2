"""The parts of a message or of a tool's output as those of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.dialects.responses.asked import refuse
from llms.protocol.dialects.responses.tools import Untranslatable
from llms.protocol.errors import excerpt

_TEXTS: Final = ("input_text", "output_text", "text", "summary_text", "reasoning_text")


def content_of(parts: object, where: str) -> str | list[dict[str, Any]]:
    """Return a chat's content: a single text as it is, else a list of parts; raise InvalidRequest."""
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list):
        refuse(where, "a string or a list of parts", parts)
    found = [_part(part, f"{where}[{at}]") for at, part in enumerate(parts)]
    if len(found) == 1 and found[0]["type"] == "text":
        return str(found[0]["text"])
    return found or ""


def said(parts: object, where: str) -> tuple[str, str]:
    """Return the text and the refusal of what an assistant said; raise InvalidRequest."""
    if not isinstance(parts, list):
        refuse(where, "a list of parts", parts)
    texts: list[str] = []
    refusals: list[str] = []
    for at, part in enumerate(parts):
        found = part if isinstance(part, dict) else {}
        if found.get("type") == "refusal":
            refusals.append(_text(found, "refusal", f"{where}[{at}]"))
        elif found.get("type") in _TEXTS:
            texts.append(_text(found, "text", f"{where}[{at}]"))
        else:
            refuse(f"{where}[{at}].type", "output_text or refusal", found.get("type"))
    return "".join(texts), "".join(refusals)


def _part(part: object, where: str) -> dict[str, Any]:
    if not isinstance(part, dict):
        refuse(where, "an object", part)
    kind = part.get("type")
    if kind in _TEXTS:
        return _kept(part, {"type": "text", "text": _text(part, "text", where)})
    if kind == "input_image":
        return _kept(part, _image(part, where))
    if kind == "input_file":
        return _kept(part, _file(part, where))
    if kind != "input_audio":
        refuse(f"{where}.type", "input_text, input_image, input_file or input_audio", kind)
    return {"type": "input_audio", "input_audio": part.get("input_audio")}


def _image(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    if part.get("image_url") is None and part.get("file_id") is not None:
        raise _kept_elsewhere(where, part["file_id"], "image_url")
    image = {"url": _text(part, "image_url", where)}
    detail = part.get("detail")
    return {"type": "image_url", "image_url": {**image, "detail": detail} if isinstance(detail, str) else image}


def _file(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    if part.get("file_data") is None:
        raise _kept_elsewhere(where, part.get("file_id") or part.get("file_url"), "file_data")
    file = {"file_data": _text(part, "file_data", where)}
    name = part.get("filename")
    return {"type": "file", "file": {"filename": name, **file} if isinstance(name, str) else file}


def _kept(part: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """Keep the mark of prompt caching, which chats carry as it is."""
    return {**made, "cache_control": part["cache_control"]} if "cache_control" in part else made


def _text(part: Mapping[str, Any], name: str, where: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        refuse(f"{where}.{name}", "a string", value)
    return value


def _kept_elsewhere(where: str, named: object, instead: str) -> Untranslatable:
    return Untranslatable(
        f"`{where}` names {excerpt(str(named), 60)!r}, which is not in the request: only targets that speak the "
        f"Responses API themselves may fetch it. Send `{instead}`.",
        param=where,
    )
