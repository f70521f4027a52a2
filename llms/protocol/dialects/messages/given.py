"""The messages of a chat, as system prompt and turns of Messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llms.protocol import json
from llms.protocol.dialects.messages.details import blocks_in, is_signed
from llms.protocol.dialects.messages.shown import blocks_of
from llms.protocol.errors import InvalidRequest

_ODD: Final = re.compile(r"[^a-zA-Z0-9_-]")
"""What ids of calls may not hold."""


def conversation(messages: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the blocks of the system prompt, and the turns, each of them one message."""
    system: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []
    for at, message in enumerate(messages):
        where, role = f"messages[{at}]", message["role"]
        if role in ("system", "developer"):
            system += blocks_of(message.get("content"), f"{where}.content")
        elif role == "assistant":
            _add(turns, "assistant", _said(message, where))
        elif role == "tool":
            _add(turns, "user", [_result(message, where)])
        elif role == "user":
            _add(turns, "user", blocks_of(message.get("content"), f"{where}.content"))
        else:
            raise InvalidRequest(f"`{where}.role` must be system, developer, user, assistant or tool.", param=where)
    _trim_last(turns)
    return system, [_plain(turn) for turn in turns]


def _add(turns: list[dict[str, Any]], role: str, blocks: list[dict[str, Any]]) -> None:
    """Add to the last turn where it is of the same side: results of tools have to stand in one."""
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _said(message: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    ours = [block for block in blocks_in(message.get("reasoning_details")) if is_signed(block)]
    calls = [_call(call, f"{where}.tool_calls[{at}]") for at, call in enumerate(message.get("tool_calls") or ())]
    texts = blocks_of(message.get("content") or message.get("refusal"), f"{where}.content")
    return [*ours, *texts, *calls]


def _call(call: Mapping[str, Any], where: str) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments") or "{}"
    try:
        value = json.loads(arguments.encode("utf-8", "surrogatepass"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        place = f"{where}.function.arguments"
        raise InvalidRequest(f"`{place}` must be the JSON text of an object: Anthropic takes no other.", param=place)
    mark = {"cache_control": call["cache_control"]} if call.get("cache_control") else {}
    return {"type": "tool_use", "id": _id(call.get("id")), "name": function.get("name"), "input": value, **mark}


def _result(message: Mapping[str, Any], where: str) -> dict[str, Any]:
    content = message.get("content")
    told: Any = content if isinstance(content, str) else blocks_of(content, f"{where}.content")
    result = {"type": "tool_result", "tool_use_id": _id(message.get("tool_call_id")), "content": told}
    return {**result, "is_error": True} if message.get("is_error") is True else result


def _id(given: Any) -> str:
    return _ODD.sub("_", str(given or "call"))


def _trim_last(turns: list[dict[str, Any]]) -> None:
    """Cut the spaces off an answer that shall be gone on with: the API takes none there."""
    if turns and turns[-1]["role"] == "assistant":
        last = turns[-1]["content"][-1]
        if last["type"] == "text":
            last["text"] = last["text"].rstrip()
            if not last["text"]:
                turns[-1]["content"].pop()
            if not turns[-1]["content"]:
                turns.pop()


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    """Write a turn of one text as a text."""
    blocks = turn["content"]
    if len(blocks) == 1 and blocks[0]["type"] == "text" and len(blocks[0]) == 2:
        return {**turn, "content": blocks[0]["text"]}
    return turn
