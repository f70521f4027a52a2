"""The parts of a chat's message, as blocks of Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.errors import InvalidRequest, NotSupported

_BASE64: Final = ";base64"


def blocks_of(content: Any, where: str) -> list[dict[str, Any]]:
    """Return blocks; empty texts, which the API refuses, are left out."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = [_block(part, f"{where}[{at}]") for at, part in enumerate(content)]
    return [block for block in blocks if block["type"] != "text" or block["text"]]


def _block(part: Mapping[str, Any], where: str) -> dict[str, Any]:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        block: dict[str, Any] = {"type": "text", "text": part.get("text") or part.get("refusal") or ""}
    elif kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        block = {"type": "image", "source": _source(url, f"{where}.image_url.url")}
    elif kind == "file":
        block = _document(part.get("file") or {}, where)
    elif kind == "input_audio":
        raise NotSupported(f"`{where}` is audio, which Anthropic's models do not hear: send its text.", param=where)
    else:
        return dict(part)
    return {**block, "cache_control": part["cache_control"]} if part.get("cache_control") else block


def _document(file: Mapping[str, Any], where: str) -> dict[str, Any]:
    title = {"title": file["filename"]} if file.get("filename") else {}
    if file.get("file_id") and not file.get("file_data"):
        return {"type": "document", "source": {"type": "file", "file_id": file["file_id"]}, **title}
    source = _source(file.get("file_data"), f"{where}.file.file_data")
    kind = str(source.get("media_type", ""))
    if kind.startswith("image/"):
        return {"type": "image", "source": source}
    if kind.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _text(source["data"], where)}
    return {"type": "document", "source": source, **title}


def _source(url: Any, where: str) -> dict[str, Any]:
    """Return where the bytes are: in a data URL, or behind a link."""
    if not isinstance(url, str):
        raise InvalidRequest(f"`{where}` must be a data: URL or a link.", param=where)
    if url.startswith(("http://", "https://")):
        return {"type": "url", "url": url}
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma or not head.endswith(_BASE64):
        raise InvalidRequest(f"`{where}` must be a link or a data: URL in base64.", param=where)
    media = head[len("data:") : -len(_BASE64)].partition(";")[0]
    return {"type": "base64", "media_type": media, "data": data}


def _text(data: str, where: str) -> str:
    import base64

    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        raise InvalidRequest(f"`{where}.file.file_data` must be base64 of UTF-8 text.", param=where) from None
