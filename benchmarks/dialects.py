"""The dialects that a stream is asked for in: how a request is written, and how the upstream tells the same script."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from benchmarks.script import MODEL, Script, stream_blocks


def _chat(prompt: str, model: str) -> dict[str, Any]:
    told = {"include_usage": True}
    return {"messages": [_user(prompt)], "model": model, "stream": True, "stream_options": told}


def _messages(prompt: str, model: str) -> dict[str, Any]:
    return {"messages": [_user(prompt)], "model": model, "stream": True, "max_tokens": 100_000}


def _responses(prompt: str, model: str) -> dict[str, Any]:
    return {"input": prompt, "model": model, "stream": True, "store": False}


def _user(prompt: str) -> dict[str, Any]:
    return {"role": "user", "content": prompt}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to ask for a stream."""

    path: str
    request: Callable[[str, str], dict[str, Any]]
    """Writes the body of a request, of a prompt and a model."""


CHAT: Final = Dialect("/v1/chat/completions", _chat)
MESSAGES: Final = Dialect("/v1/messages", _messages)
RESPONSES: Final = Dialect("/v1/responses", _responses)


def prompt_of(request: dict[str, Any]) -> object:
    """Return what the user of a request in any dialect says last."""
    turn = request.get("messages") or request.get("contents") or request.get("input")
    said = turn[-1] if isinstance(turn, list) else {"content": turn}
    content = said.get("content", said.get("parts"))
    return content[0]["text"] if isinstance(content, list) else content


def told(path: str, script: Script, *, usage: bool) -> list[bytes]:
    """Write a streamed answer in the dialect of a path, one block for each content chunk."""
    if path.endswith("/messages"):
        return _blocks(script, _message_start(script), _message_delta, _message_end(script))
    if path.endswith("/responses"):
        return _blocks(script, _response_start(script), _response_delta, _response_end(script))
    if ":streamGenerateContent" in path:
        return _blocks(script, b"", _gemini_delta, _gemini_end(script))
    return stream_blocks(script, usage=usage)


def _blocks(script: Script, start: bytes, delta: Callable[[Script, int], bytes], end: bytes) -> list[bytes]:
    blocks = [delta(script, seq) for seq in range(script.chunks)]
    blocks[0] = start + blocks[0]
    blocks[-1] += end
    return blocks


def _event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def _message_start(script: Script) -> bytes:
    message: dict[str, Any] = {
        "id": f"msg_{script.tag}",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": script.usage()["prompt_tokens"], "output_tokens": 1},
    }
    block = {"type": "text", "text": ""}
    return _event("message_start", message=message) + _event("content_block_start", index=0, content_block=block)


def _message_delta(script: Script, seq: int) -> bytes:
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": script.text(seq)})


def _message_end(script: Script) -> bytes:
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    usage = {"output_tokens": script.chunks}
    return b"".join(
        (
            _event("content_block_stop", index=0),
            _event("message_delta", delta=delta, usage=usage),
            _event("message_stop"),
        )
    )


def _response(script: Script, status: str, output: Sequence[object]) -> dict[str, Any]:
    counts = script.usage()
    usage = {
        "input_tokens": counts["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": counts["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counts["total_tokens"],
    }
    return {
        "id": f"resp_{script.tag}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "model": MODEL,
        "output": output,
        "usage": usage if status == "completed" else None,
    }


def _response_start(script: Script) -> bytes:
    item = {"id": "msg_0", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    begun = _response(script, "in_progress", [])
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    return b"".join(
        (
            _event("response.created", sequence_number=0, response=begun),
            _event("response.in_progress", sequence_number=1, response=begun),
            _event("response.output_item.added", sequence_number=2, output_index=0, item=item),
            _event("response.content_part.added", sequence_number=3, **place, part=_part("")),
        )
    )


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _response_delta(script: Script, seq: int) -> bytes:
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    text = script.text(seq)
    return _event("response.output_text.delta", sequence_number=seq + 4, **place, delta=text, logprobs=[])


def _response_end(script: Script) -> bytes:
    text = "".join(map(script.text, range(script.chunks)))
    part, number = _part(text), script.chunks + 4
    item = {"id": "msg_0", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    place = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
    return b"".join(
        (
            _event("response.output_text.done", sequence_number=number, **place, text=text, logprobs=[]),
            _event("response.content_part.done", sequence_number=number + 1, **place, part=part),
            _event("response.output_item.done", sequence_number=number + 2, output_index=0, item=item),
            _event("response.completed", sequence_number=number + 3, response=_response(script, "completed", [item])),
        )
    )


def _gemini_delta(script: Script, seq: int) -> bytes:
    return _gemini(script, {"content": {"parts": [{"text": script.text(seq)}], "role": "model"}, "index": 0})


def _gemini_end(script: Script) -> bytes:
    last = {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
    return _gemini(script, last)


def _gemini(script: Script, candidate: dict[str, Any]) -> bytes:
    counts = script.usage()
    usage = {
        "promptTokenCount": counts["prompt_tokens"],
        "candidatesTokenCount": counts["completion_tokens"],
        "totalTokenCount": counts["total_tokens"],
    }
    item = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL, "responseId": script.tag}
    return b"data: " + orjson.dumps(item) + b"\n\n"
