"""Make the whole answer of any upstream what clients may rely on, touching only what has to change."""

from __future__ import annotations

from typing import Any

from llms.protocol.chat import CompletionObject
from llms.protocol.finish import finish_reason
from llms.protocol.json import same
from llms.protocol.parts import join_parts
from llms.protocol.surrogates import Surrogates
from llms.protocol.tools import ToolCalls


def conform_completion(item: CompletionObject, *, model: str, fallback_id: str, created: int) -> CompletionObject:
    """Return a whole answer in OpenAI's form; the same object when nothing had to change."""
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
