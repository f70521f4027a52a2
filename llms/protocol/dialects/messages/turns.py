"""The turns of a client's conversation, as the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llms.protocol import json
from llms.protocol.dialects.messages.checks import object_at, objects, refuse, text_at
from llms.protocol.dialects.messages.details import detail_of
from llms.protocol.dialects.messages.parts import joined, part_of

_ROLES: Final = "user, assistant or system"


def system_message(system: Any) -> list[dict[str, Any]]:
    """Return the message of a system prompt, if there is one."""
    if not system:
        return []
    if isinstance(system, str):
        return [{"role": "system", "content": system}]
    parts = [part_of(block, f"system[{at}]") for at, block in enumerate(objects(system, "system"))]
    return [{"role": "system", "content": joined(parts)}]


def chat_messages(messages: Any) -> list[dict[str, Any]]:
    """Return the messages of a chat; results of tools are messages of their own there."""
    made: list[dict[str, Any]] = []
    for at, message in enumerate(objects(messages, "messages")):
        where = f"messages[{at}]"
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant", "system"):
            refuse(f"{where}.role", _ROLES, role)
        if isinstance(content, str):
            made.append({"role": role, "content": content})
            continue
        blocks = objects(content, f"{where}.content")
        made += [_assistant(blocks, where)] if role == "assistant" else _asking(str(role), blocks, where)
    return made


def _asking(role: str, blocks: Sequence[Mapping[str, Any]], where: str) -> list[dict[str, Any]]:
    """Return what a user says: the results of tools first, as they have to follow the calls."""
    results, parts = [], []
    for at, block in enumerate(blocks):
        place = f"{where}.content[{at}]"
        if block.get("type") == "tool_result":
            results.append(_result(block, place))
        else:
            parts.append(part_of(block, place))
    return [*results, *([{"role": role, "content": joined(parts)}] if parts or not results else [])]


def _result(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    content = block.get("content")
    if content is None or isinstance(content, str):
        parts = [{"type": "text", "text": content or ""}]
    else:
        parts = [
            part_of(each, f"{where}.content[{at}]") for at, each in enumerate(objects(content, f"{where}.content"))
        ]
    if block.get("cache_control") and parts:
        parts[-1] = {**parts[-1], "cache_control": block["cache_control"]}
    message = {"role": "tool", "tool_call_id": text_at(block, "tool_use_id", where), "content": joined(parts)}
    return {**message, "is_error": True} if block.get("is_error") is True else message


def _assistant(blocks: Sequence[Mapping[str, Any]], where: str) -> dict[str, Any]:
    """Return one message of a model: its text, its calls, and its reasoning to be given back."""
    texts: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    for at, block in enumerate(blocks):
        kind, place = block.get("type"), f"{where}.content[{at}]"
        if kind in ("thinking", "redacted_thinking"):
            details.append(detail_of(block, len(details)))
        elif kind == "tool_use":
            calls.append(_call(block, place))
        else:
            texts.append(part_of(block, place))
    message: dict[str, Any] = {"role": "assistant", "content": joined(texts, run_on=True) if texts else None}
    thoughts = "".join(str(block.get("thinking") or "") for block in blocks if block.get("type") == "thinking")
    if thoughts:
        message["reasoning_content"] = thoughts
    if kept := [detail for detail in details if detail.get("signature") or detail["type"] != "reasoning.text"]:
        message["reasoning_details"] = kept
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None:
        message["content"] = ""
    return message


def _call(block: Mapping[str, Any], where: str) -> dict[str, Any]:
    arguments = json.dumps(object_at(block, "input", where)).decode()
    function = {"name": text_at(block, "name", where), "arguments": arguments}
    mark = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return {"id": text_at(block, "id", where), "type": "function", "function": function, **mark}
