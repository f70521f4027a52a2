"""An endpoint that speaks the client's dialect itself: what it says goes through byte for byte."""

from __future__ import annotations

import json
from typing import Any, Final

from llms.testing import responses
from llms.testing.answers import HEAD, Answer, answer, pieces, usage_of
from llms.testing.steps import event
from tests.matrix.facts import Facts
from tests.matrix.upstreams import BROKEN, Anthropic

DIALECTS: Final = ("Responses", "Messages", "completions")


def told(dialect: str, facts: Facts, signature: str) -> tuple[bytes, dict[str, Any]]:
    """Return the events of a stream in a dialect, and the answer that they add up to."""
    if dialect == "Messages":
        return Anthropic().told(facts, signature)
    return (_responses if dialect == "Responses" else _completions)(facts)


def breaks(dialect: str, text: str) -> Answer:
    """Return a stream that ends with an error."""
    if dialect == "Messages":
        return Anthropic().breaks(text)
    if dialect == "completions":
        told = {"error": {"message": BROKEN, "type": "server_error", "param": None, "code": None}}
        return answer(*(event(_completion(piece)) for piece in pieces(text)), event(told))
    *begun, _, _, _, _ = responses.events(text)
    told = {"code": "server_error", "message": BROKEN, "param": None}
    return responses.stream(*begun, responses.event("error", len(begun), **told))


def _responses(facts: Facts) -> tuple[bytes, dict[str, Any]]:
    """Return a response that says its items in one piece, with a field that nobody knows."""
    output: list[dict[str, Any]] = [responses.message(facts.text)] if facts.text else []
    if facts.thought:
        summary = [{"type": "summary_text", "text": facts.thought}]
        output.insert(0, {"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": "gAAAA"})
    for call in facts.calls:
        called = {"type": "function_call", "id": f"fc_{call.id}", "call_id": call.id, "status": "completed"}
        output.append({**called, "name": call.name, "arguments": call.arguments})
    whole = responses.response(output=output, x_unknown={"kept": True})
    told: list[tuple[str, dict[str, Any]]] = [("response.created", {"response": responses.response("in_progress")})]
    for at, item in enumerate(output):
        told.append(("response.output_item.added", {"output_index": at, "item": item}))
        told.append(("response.output_item.done", {"output_index": at, "item": item}))
    told.append(("response.completed", {"response": whole}))
    events = [responses.event(kind, number, **fields) for number, (kind, fields) in enumerate(told)]
    return b"".join(events), whole


def _completions(facts: Facts) -> tuple[bytes, dict[str, Any]]:
    said = [_completion(piece) for piece in pieces(facts.text)]
    ends = {**_completion(""), "choices": [{"index": 0, "text": "", "finish_reason": "stop"}], "usage": usage_of()}
    whole = {**ends, "choices": [{"index": 0, "text": facts.text, "logprobs": None, "finish_reason": "stop"}]}
    events = [f"data: {json.dumps(item)}\n\n" for item in (*said, ends)]
    return ("".join(events) + "data: [DONE]\n\n").encode(), whole


def _completion(text: str) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": None}
    return {**HEAD, "object": "text_completion", "x_unknown": 1, "choices": [choice]}
