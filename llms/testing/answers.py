"""Ready-made answers of an OpenAI-compatible upstream: streams, whole answers, errors, and broken ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, final

from llms.testing import steps
from llms.testing.exchange import Exchange, Framing
from llms.testing.seen import Seen
from llms.testing.steps import Step

MODEL: Final = "fake-model"
HEAD: Final[Mapping[str, Any]] = {"id": "chatcmpl-fake", "created": 1_750_000_000, "model": MODEL}
CALLS: Final = (("get_weather", '{"city": "Zürich", "days": 3}'),)
_JSON: Final = {"Content-Type": "application/json"}
_EVENT_SIZE: Final = 16 * 1024


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """Steps in the order they are played, and how the body tells its end."""

    steps: tuple[Step, ...] = ()
    framing: Framing = "chunked"

    def then(self, *more: Step) -> Answer:
        """Return the same answer with further steps; `cut()`, `stall()` and their like must be the last."""
        return replace(self, steps=(*self.steps, *more))

    def first(self, count: int) -> Answer:
        """Return an answer of the first `count` steps alone, to be broken off with `.then(...)`."""
        return replace(self, steps=self.steps[:count])

    def framed(self, framing: Framing) -> Answer:
        """Return the same answer in another framing."""
        return replace(self, framing=framing)

    def paced(self, seconds: float) -> Answer:
        """Return the same answer with a pause before each step."""
        return replace(self, steps=tuple(s for step in self.steps for s in (steps.pause(seconds), step)))

    def joined(self) -> Answer:
        """Return the same answer in one write."""
        return replace(self, steps=(steps.joined(*self.steps),))

    def bytewise(self) -> Answer:
        """Return the same answer in writes of one byte."""
        return replace(self, steps=(steps.bytewise(*self.steps),))


Script = Answer | Callable[[Seen], Answer]
"""An answer, or what makes one of the request."""


def answer(*of: Step, framing: Framing = "chunked") -> Answer:
    """Make an answer of steps; without a `head()` step it is a 200 event stream."""
    return Answer(of, framing)


def chunk(
    delta: Mapping[str, Any],
    finish: str | None = None,
    *,
    index: int = 0,
    model: str = MODEL,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one `chat.completion.chunk`; `extra` adds top-level fields."""
    choice = {"index": index, "delta": dict(delta), "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "model": model, "choices": [choice], **(extra or {})}


def usage_of(prompt: int = 7, completion: int = 5, reasoning: int = 0) -> dict[str, Any]:
    """Return a usage object with its details."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def stream_of(
    deltas: Sequence[Mapping[str, Any]], *, finish: str | None = "stop", usage: bool, model: str, done: bool
) -> Answer:
    """Return a stream: the role, the deltas, the finish reason, usage, `[DONE]`, one event a step."""
    sent = [chunk({"role": "assistant", "content": ""}, model=model), *(chunk(delta, model=model) for delta in deltas)]
    sent += [chunk({}, finish, model=model)] if finish else []
    sent += [{**chunk({}, model=model), "choices": [], "usage": usage_of()}] if usage else []
    return answer(*map(steps.event, sent), *([steps.event("[DONE]")] if done else []))


def text_stream(
    text: str = "Hello world",
    *,
    chunks: int = 0,
    usage: bool = True,
    model: str = MODEL,
    done: bool = True,
    finish: str | None = "stop",
) -> Answer:
    """Return a stream of `text` in about `chunks` equal pieces, or word by word."""
    deltas = [{"content": piece} for piece in pieces(text, chunks)]
    return stream_of(deltas, finish=finish, usage=usage, model=model, done=done)


def pieces(text: str, count: int = 0) -> list[str]:
    """Cut text into `count` pieces (fewer when it is shorter), or after each space; joined they are the text."""
    if count:
        size = max(1, -(-len(text) // count))
        return [text[i : i + size] for i in range(0, len(text), size)]
    return [piece for piece in text.replace(" ", " \0").split("\0") if piece]


def tool_stream(
    calls: Sequence[tuple[str, str]] = CALLS, *, chunks: int = 3, usage: bool = True, model: str = MODEL
) -> Answer:
    """Return a stream of tool calls, `(name, arguments)` each, the arguments in pieces."""
    deltas: list[Mapping[str, Any]] = []
    for index, (name, arguments) in enumerate(calls):
        function = {"name": name, "arguments": ""}
        deltas.append(
            {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]}
        )
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces(arguments, chunks)
        ]
    return stream_of(deltas, finish="tool_calls", usage=usage, model=model, done=True)


def reasoning_stream(
    reasoning: str = "Let me think.", text: str = "Hello world", *, field: str = "reasoning_content"
) -> Answer:
    """Return a stream that thinks before it speaks; `field` is the upstream's name for it."""
    deltas = [{field: piece} for piece in pieces(reasoning)] + [{"content": piece} for piece in pieces(text)]
    return stream_of(deltas, usage=True, model=MODEL, done=True)


def completion(
    message: Mapping[str, Any], *, finish: str = "stop", model: str = MODEL, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return one `chat.completion`; `extra` adds top-level fields."""
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    base = {**HEAD, "object": "chat.completion", "model": model, "choices": [choice], "usage": usage_of()}
    return {**base, **(extra or {})}


def whole(text: str = "Hello world", *, finish: str = "stop", model: str = MODEL) -> Answer:
    """Return one whole answer as JSON."""
    return body(completion({"content": text}, finish=finish, model=model))


def whole_tools(calls: Sequence[tuple[str, str]] = CALLS) -> Answer:
    """Return one whole answer that calls tools."""
    made = [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    return body(completion({"tool_calls": made}, finish="tool_calls"))


def body(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return one body with its length: an object as JSON, text and bytes as they are."""
    if isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        kind = "text/html" if data.lstrip().startswith(b"<") else "text/plain"
    else:
        data, kind = json.dumps(value, ensure_ascii=False).encode(), _JSON["Content-Type"]
    return answer(
        steps.joined(steps.head(status, {"Content-Type": kind, **(headers or {})}), steps.raw(data)), framing="length"
    )


def vectors(seen: Seen) -> Answer:
    """Answer a request for embeddings: each text has a vector of its own."""
    given = seen.json["input"]
    texts = [given] if isinstance(given, str) else given
    numbers = [[byte / 128 for byte in hashlib.sha256(repr(text).encode()).digest()[:8]] for text in texts]
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(numbers)]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return body({"object": "list", "data": data, "model": seen.json["model"], "usage": usage})


def error(
    status: int, content: Any = None, headers: Mapping[str, str] | None = None, *, message: str = "no luck"
) -> Answer:
    """Return a refusal; `content` is any body, OpenAI's error object with `message` when left out."""
    if content is None:
        content = {"error": {"message": message, "type": "fake_error", "param": None, "code": None}}
    return body(content, status=status, headers=headers)


def redirect(to: str, status: int = 302) -> Answer:
    """Return a redirect."""
    return body("moved", status=status, headers={"Location": to})


def garbage(good: int = 6) -> Answer:
    """Return a stream of `good` one-letter chunks with an event between them that no decoder understands."""
    bad = (b"data: {broken\n\n", b"data: \xff\xfe\n\n", b"junk without a colon\n\n", b"data: null\n\n", b"data: []\n\n")
    middle = [
        step
        for place in range(good)
        for step in (steps.event(chunk({"content": chr(ord("a") + place)})), steps.raw(bad[place % len(bad)]))
    ]
    ends = (steps.event(chunk({}, "stop")), steps.event("[DONE]"))
    return answer(steps.event(chunk({"role": "assistant", "content": ""})), *middle, *ends)


@final
@dataclass(frozen=True, slots=True)
class _Flood:
    total: int
    data: bytes = field(repr=False)
    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        for _ in range(-(-self.total // len(self.data))):
            await out.body(self.data)


def flood(bytes_total: int) -> Answer:
    """Return a whole stream of about `bytes_total` bytes, as fast as the client reads."""
    data = f"data: {json.dumps(chunk({'content': 'x' * _EVENT_SIZE}))}\n\n".encode()
    first = steps.event(chunk({"role": "assistant", "content": ""}))
    return answer(first, _Flood(bytes_total, data), steps.event(chunk({}, "stop")), steps.event("[DONE]"))


def either(stream: Answer, plain: Answer) -> Script:
    """Return what answers a stream request with one answer and any other request with the other."""
    return lambda seen: stream if seen.stream else plain


def reply(text: str = "Hello world", *, chunks: int = 0) -> Script:
    """Return what says `text` the way it was asked: streamed or whole, usage at the end of a stream if wanted."""
    return lambda seen: text_stream(text, chunks=chunks, usage=seen.asked_usage) if seen.stream else whole(text)


def echo(seen: Seen) -> Answer:
    """Say the last message again, the way it was asked."""
    messages = seen.json.get("messages") if isinstance(seen.json, dict) else None
    said = reply(str(messages[-1].get("content")) if messages else "")
    return said(seen) if callable(said) else said
