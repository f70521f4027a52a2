"""How a case is asked in its client's dialect, and what an answer in it says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tests.proxy import Reply
from tests.soak.case import Case, Dialect

PATHS: Final[Mapping[Dialect, str]] = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
_ENDS: Final = ("[DONE]", "message_stop", "response.completed")


class Said(NamedTuple):
    """What a client read: the text, the word of an error ("" for none), and whether it was told the end."""

    text: str
    word: str
    message: str
    ended: bool


def request(case: Case) -> dict[str, Any]:
    """Return the body that asks for a case."""
    kind = case.kind
    body: dict[str, Any] = {"model": kind.model, "stream": kind.stream}
    if kind.dialect == "responses":
        return {**body, "input": case.tag}
    limit = {"max_tokens": 100_000} if kind.dialect == "messages" else {}
    return {**body, **limit, "messages": [{"role": "user", "content": case.tag}]}


def said(reply: Reply) -> Said:
    """Read an answer, whole or streamed, in any dialect."""
    if reply.headers["content-type"].startswith("text/event-stream"):
        return _streamed(reply)
    told = json.loads(reply.body)
    if reply.status != 200:
        return Said("", *_error(told["error"]), ended=True)
    if "choices" in told:
        return Said(told["choices"][0]["message"]["content"], "", "", ended=True)
    return Said(told["content"][0]["text"], "", "", ended=True)


def _streamed(reply: Reply) -> Said:
    events = [_data(frame) for frame in reply.body.decode().split("\n\n")]
    told = [event for event in events if event is not None]
    text = "".join(map(_text, told))
    kinds = ["[DONE]" if event == "[DONE]" else event.get("type", "") for event in told]
    errors = [event for event in told if event != "[DONE]" and _is_error(event)]
    word, message = _error(errors[-1].get("error") or errors[-1]) if errors else ("", "")
    return Said(text, word, message, ended=reply.whole and _ended_once(kinds, errors))


def _data(frame: str) -> Any:
    """Return the data of an event, `[DONE]` as text; None where it has none."""
    data = next((line[6:] for line in frame.split("\n") if line.startswith("data: ")), None)
    return data if data is None or data == "[DONE]" else json.loads(data)


def _text(event: Any) -> str:
    if event == "[DONE]":
        return ""
    if "choices" in event:
        return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    delta = event.get("delta")
    if event.get("type") == "response.output_text.delta":
        return str(delta)
    return str(delta.get("text", "")) if event.get("type") == "content_block_delta" else ""


def _is_error(event: Any) -> bool:
    return event.get("type") == "error" or isinstance(event.get("error"), dict)


def _error(told: Any) -> tuple[str, str]:
    """Return the word that tells the kind of an error, and its message."""
    return told.get("code") or told.get("type") or "?", told.get("message") or ""


def _ended_once(kinds: Sequence[str], errors: Sequence[Any]) -> bool:
    """Tell whether the last event is the one that ends a stream, or its error, and no end came before."""
    ends = [kind for kind in kinds if kind in _ENDS]
    return not ends if errors else len(ends) == 1 and kinds[-1] in _ENDS
