"""What is asked and answered while the proxy is measured, byte for byte."""

from __future__ import annotations

import json
from typing import Any, Final

KEY: Final = "sk-bench"
MODEL: Final = "bench"
PATH: Final = "/v1/chat/completions"
EVERY: Final = 0.02
"""Seconds between the chunks of a stream."""
_WORD: Final = "token "
_USAGE: Final = {"prompt_tokens": 47, "completion_tokens": 256, "total_tokens": 303}
_ABOUT: Final = {"id": "chatcmpl-bench", "created": 1_750_000_000, "model": "scripted"}
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n\r\n"


def request(*, stream: bool, chunks: int = 1) -> bytes:
    """Return a request as a client sends it; a stream is asked for so many chunks."""
    message = {"role": "user", "content": "How much does it cost to pass this on? " * 20}
    body: dict[str, Any] = {"model": MODEL, "messages": [message], "max_tokens": chunks, "stream": stream}
    data = json.dumps(body).encode()
    lines = (
        f"POST {PATH} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {KEY}", "Content-Type: application/json",
        "Accept: */*", f"Content-Length: {len(data)}", "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode() + data


def whole() -> bytes:
    """Return a whole answer of 1 KB of text."""
    message = {"role": "assistant", "content": (_WORD * 171)[:1024]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return fixed({**_ABOUT, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def fixed(item: Any) -> bytes:
    """Return an answer of JSON."""
    data = json.dumps(item).encode()
    return _OK % (b"application/json", b"Content-Length: %d" % len(data)) + data


def stream_begin() -> bytes:
    """Return the head of a stream and its first event, which has no text."""
    return _OK % (b"text/event-stream", b"Transfer-Encoding: chunked") + _event(_delta({"role": "assistant"}))


def stream_chunk() -> bytes:
    """Return a chunk of text."""
    return _event(_delta({"content": _WORD}))


def stream_end() -> bytes:
    """Return what ends a whole stream."""
    usage = {**_ABOUT, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}
    return _event(_delta({}, finish="stop")) + _event(usage) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


def texts_in(answer: bytes | bytearray) -> int:
    """Count the chunks of text in what a client got."""
    return answer.count(json.dumps(_WORD).encode())


def _delta(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {**_ABOUT, "object": "chat.completion.chunk", "choices": [choice]}


def _event(item: dict[str, Any]) -> bytes:
    return _framed(b"data: %b\n\n" % json.dumps(item).encode())


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
