"""Make the whole answer of any upstream what clients may rely on, touching only what has to change."""

from __future__ import annotations

from typing import Any, Final

from llms.protocol.chat import CompletionObject
from llms.protocol.finish import finish_reason
from llms.protocol.json import same
from llms.protocol.parts import join_parts
from llms.protocol.surrogates import Surrogates
from llms.protocol.tools import ToolCalls

_PLAIN_ENDS: Final = ("stop", "length", "content_filter")


def conform_completion(item: CompletionObject, *, model: str, fallback_id: str, created: int) -> CompletionObject:
    """Return a whole answer in OpenAI's form; the same object when nothing had to change."""
    if is_plain(item):
        return item
    found, made = item.get("choices"), item.get("created")
    choices = found if isinstance(found, list) else []
    mended = {
        **item,
        "id": item.get("id") or fallback_id,
        "object": "chat.completion",
        "created": int(made) if isinstance(made, int | float) and made >= 1 else created,
        "model": item.get("model") or model,
        "choices": [_mend_whole(choice, place, fallback_id) for place, choice in enumerate(choices)],
    }
    return item if same(mended, item) else mended


def is_whole(item: CompletionObject) -> bool:
    """Tell a whole answer from a chunk; a chunk may bring the message so far beside its delta (Perplexity)."""
    choices = item.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(first, dict) and "message" in first and "delta" not in first


def is_plain(item: CompletionObject) -> bool:
    """Tell whether an answer is the usual one: a single whole text in OpenAI's form."""
    choices = item.get("choices")
    if choices.__class__ is not list or len(choices) != 1 or choices[0].__class__ is not dict:
        return False
    choice = choices[0]
    message = choice.get("message")
    if message.__class__ is not dict or message.get("tool_calls") or choice.get("index") != 0:
        return False
    content = message.get("content")
    return (
        content.__class__ is str
        and content.isascii()
        and message.get("role") == "assistant"
        and choice["index"].__class__ is int
        and "delta" not in choice
        and choice.get("finish_reason") in _PLAIN_ENDS
        and item.get("object") == "chat.completion"
        and item.get("created").__class__ is int
        and item["created"] >= 1
        and item.get("id").__class__ is str
        and bool(item["id"] and item.get("model"))
        and message.get("refusal") is None
        and "reasoning_content" not in message
        and "reasoning" not in message
    )


def _mend_whole(choice: object, place: int, fallback_id: str) -> dict[str, Any]:
    given: dict[str, Any] = choice if isinstance(choice, dict) else {}
    found, index = given.get("message"), given.get("index")
    message: dict[str, Any] = dict(found) if isinstance(found, dict) else {}
    message["role"] = message.get("role") or "assistant"
    join_parts(message)
    message.setdefault("content", None)
    reason = finish_reason(given.get("finish_reason")) or "stop"
    if message.get("tool_calls"):
        message["tool_calls"] = ToolCalls(fallback_id).whole(message["tool_calls"])
        reason = "tool_calls" if reason == "stop" else reason
    if (halves := Surrogates.mend(None, 0, message)) is not None:
        halves.flush(0, message)
    index = index if isinstance(index, int) and not isinstance(index, bool) else place
    return {**given, "index": index, "message": message, "finish_reason": reason}
