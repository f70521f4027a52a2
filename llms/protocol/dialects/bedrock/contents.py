"""Messages as Bedrock's: two roles that take turns, blocks of text, media, thoughts, tool use and its results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llms.protocol.dialects.reading import arguments, data_url, refused

THOUGHT: Final = "anthropic-claude-v1"
"""The format of thoughts with their signature; the same as Anthropic's own."""
HIDDEN: Final = "amazon-bedrock-v1"
"""The format of thoughts that nobody may read, encoded as Bedrock does."""

_NO_ID: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9()\[\]-]+")
_LONGEST_ID: Final = 64
_DOCUMENTS: Final[Mapping[str, str]] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}

Block = dict[str, Any]
CACHE_POINT: Final = {"cachePoint": {"type": "default"}}


def system_of(messages: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return `system`: what all system messages say, wherever they stand."""
    found: list[Block] = []
    for place, message in enumerate(messages):
        if message["role"] in ("system", "developer"):
            for block in _blocks(message.get("content"), f"messages[{place}].content"):
                if "text" not in block and "cachePoint" not in block:
                    raise refused(f"messages[{place}].content", "must be text here")
                found.append(block)
    return found


def messages_of(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `messages`; neighbours of the same role become one, as Bedrock wants the roles to take turns."""
    found: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        if message["role"] in ("system", "developer"):
            continue
        blocks = _of_message(message, f"messages[{place}]")
        role = "assistant" if message["role"] == "assistant" else "user"
        if found and found[-1]["role"] == role:
            found[-1]["content"] += blocks
        elif blocks:
            found.append({"role": role, "content": blocks})
    if not found:
        raise refused("messages", "needs one message that is not of the system")
    return found


def _of_message(message: Mapping[str, Any], where: str) -> list[Block]:
    role = message["role"]
    said = f"{where}.content"
    if role == "user":
        return _blocks(message.get("content"), said)
    if role == "assistant":
        text = _blocks(message.get("content") or message.get("refusal"), said)
        return [*_thoughts(message), *text, *_calls(message, where)]
    if role == "tool":
        return [_result(message, said)]
    raise refused(f"{where}.role", "must be system, developer, user, assistant or tool", role)


def _blocks(content: object, where: str) -> list[Block]:
    """Return the blocks of a content, empty texts left out: Bedrock refuses them."""
    if not content:
        return []
    if isinstance(content, str):
        return [{"text": content}]
    found: list[Block] = []
    for place, part in enumerate(content if isinstance(content, list) else [content]):
        block = _block(part, f"{where}[{place}]")
        found += [] if block.get("text") == "" else [block]
        if isinstance(part, dict) and part.get("cache_control"):
            found.append(CACHE_POINT)
    return found


def _block(part: Any, where: str) -> Block:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal"):
        return {"text": part[kind]}
    if kind == "image_url":
        given = part.get(kind)
        return _image(given.get("url") if isinstance(given, dict) else given, f"{where}.{kind}.url")
    if kind == "file":
        return _document(part.get(kind) or {}, f"{where}.{kind}.file_data")
    raise refused(f"{where}.type", "must be text, image_url or file", kind)


def _image(url: object, where: str) -> Block:
    media, data = _located(url, where)
    form = media.removeprefix("image/").replace("jpg", "jpeg")
    if form not in ("png", "jpeg", "gif", "webp"):
        raise refused(where, "must be a png, jpeg, gif or webp image", media)
    return {"image": {"format": form, "source": {"bytes": data}}}


def _document(given: Mapping[str, Any], where: str) -> Block:
    media, data = _located(given.get("file_data"), where)
    if media not in _DOCUMENTS:
        raise refused(where, f"must be one of {', '.join(_DOCUMENTS.values())}", media)
    name = _NO_NAME.sub(" ", str(given.get("filename") or "")).strip()[:200] or "document"
    return {"document": {"format": _DOCUMENTS[media], "name": name, "source": {"bytes": data}}}


def _located(url: object, where: str) -> tuple[str, str]:
    """Return media type and base64. Links are refused: Bedrock takes none, and what may be fetched was before."""
    if not isinstance(url, str) or not url.startswith("data:"):
        raise refused(where, "must be a data: URL for Bedrock", url)
    return data_url(url, where)


def _thoughts(message: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the thoughts that a client brought back, those with a signature."""
    details = message.get("reasoning_details")
    for detail in details if isinstance(details, list) else ():
        form = detail.get("format") if isinstance(detail, dict) else None
        if form == THOUGHT and detail.get("type") == "reasoning.text" and detail.get("signature"):
            text = {"text": detail.get("text") or "", "signature": detail["signature"]}
            yield {"reasoningContent": {"reasoningText": text}}
        elif form == HIDDEN and detail.get("data"):
            yield {"reasoningContent": {"redactedContent": detail["data"]}}


def _calls(message: Mapping[str, Any], where: str) -> Iterator[Block]:
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function")
        spot = f"{where}.tool_calls[{place}]"
        if not isinstance(function, dict):
            raise refused(spot, "must be a function call for Bedrock")
        used = arguments(function.get("arguments"), f"{spot}.function.arguments")
        yield {"toolUse": {"toolUseId": _id(call.get("id")), "name": function["name"], "input": used}}


def _result(message: Mapping[str, Any], where: str) -> Block:
    blocks = [block for block in _blocks(message.get("content"), where) if "cachePoint" not in block]
    status = {"status": "error"} if message.get("is_error") else {}
    content = blocks or [{"text": " "}]
    return {"toolResult": {"toolUseId": _id(message.get("tool_call_id")), "content": content, **status}}


def _id(given: object) -> str:
    """Return the id of a call in the characters and the length that Bedrock allows, the same wherever it stands."""
    return _NO_ID.sub("_", str(given or ""))[-_LONGEST_ID:] or "call"
