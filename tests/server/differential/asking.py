"""Requests as bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tests.server.differential.pair import Case
from tests.server.differential.scripted import Script
from tests.server.differential.steps import Answered, Step

CHAT: Final = b"/v1/chat/completions"
KEY: Final = "sk-llms-the-right-key-0123456789abcdef"
HOST: Final = b"Host: localhost"
JSON: Final = b"Content-Type: application/json"
NAMED: Final = b"X-Request-Id: asked-1"
CLOSE: Final = b"Connection: close"
PROBE: Final = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
"""Asks whether the connection is still in step, and ends it."""

ROWS: Final = """
providers:
  a: {type: openai_compatible, base_url: "http://127.0.0.1:PORT/a/v1", api_key: sk-planted-a, retries: 0,
      models: [real-model, m1], dialects: [messages, responses], limits: {max_event: 64KiB}}
  b: {type: openai_compatible, base_url: "http://127.0.0.1:PORT/b/v1", api_key: sk-planted-b, retries: 0, models: [s]}
  twice: {type: openai_compatible, base_url: "http://127.0.0.1:PORT/twice/v1", retries: 2, models: [s]}
  narrow: {type: openai_compatible, base_url: "http://127.0.0.1:PORT/narrow/v1", retries: 0, models: [s],
      limits: {concurrency: 1, queue: 1}}
  hasty: {type: openai_compatible, base_url: "http://127.0.0.1:PORT/hasty/v1", retries: 0, models: [s],
      timeouts: {first_chunk: 50ms, idle: 50ms, answer: 50ms}}
  nobody: {type: openai_compatible, base_url: "http://127.0.0.1:1/v1", retries: 0, models: [s]}
models:
  m: {targets: [a/real-model]}
  plain: {targets: [b/s]}
  two: {targets: [a/real-model, b/s]}
  twice: {targets: [twice/s]}
  narrow: {targets: [narrow/s]}
  hasty: {targets: [hasty/s]}
  lost: {targets: [nobody/s, b/s]}
"""
"""One upstream in many rows: `a` speaks dialects, `b` only chats, the others have a way of their own."""

BOUNDS: Final = "max_body: 300KiB, cors_origins: ['https://app.example']"
KEYED: Final = f"keys: {{static: ['{KEY}']}}\n"


def body(model: str = "m", *, stream: bool = True, **more: Any) -> bytes:
    """Return the body of a chat."""
    return json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream, **more}
    ).encode()


def post(data: bytes, *lines: bytes, path: bytes = CHAT, head: Iterable[bytes] = (HOST, JSON, NAMED)) -> bytes:
    """Return a POST with a length."""
    return asking(data, [*head, b"Content-Length: %d" % len(data), *lines], path=path)


def asking(data: bytes, lines: Iterable[bytes], *, path: bytes = CHAT, method: bytes = b"POST") -> bytes:
    """Return a request with these header lines and no other."""
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), *lines, b"", data])


def in_chunks(*pieces: bytes, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """Return a body in HTTP chunks."""
    made = (b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces if piece)
    return b"".join(made) + b"0\r\n" + trailers + b"\r\n"


def one(sent: bytes | Sequence[Step], *upstream: Script) -> Case:
    """Return a case of one request, after whose answer the connection is tried again."""
    steps = (sent,) if isinstance(sent, bytes) else tuple(sent)
    return Case(((*steps, Answered(1), PROBE),), upstream)


MESSAGE: Final[Mapping[str, Any]] = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
RESPONSE: Final[Mapping[str, Any]] = {"input": "hi", "store": False}


def message(model: str = "m", *, stream: bool = True, **more: Any) -> bytes:
    """Return the body of a request for Messages."""
    return json.dumps({"model": model, "stream": stream, **MESSAGE, **more}).encode()


def response(model: str = "m", *, stream: bool = True, **more: Any) -> bytes:
    """Return the body of a request for Responses."""
    return json.dumps({"model": model, "stream": stream, **RESPONSE, **more}).encode()
