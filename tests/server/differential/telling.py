"""Answers of an upstream as bytes: every framing, any status, streams and whole answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from llms.testing.answers import chunk, completion, usage_of

Framing = Literal["chunked", "length", "close"]
FRAMINGS: Final[tuple[Framing, ...]] = ("chunked", "length", "close")
SSE: Final = b"Content-Type: text/event-stream"
JSON: Final = b"Content-Type: application/json"


def says(text: str, **more: Any) -> bytes:
    """Return one event of text."""
    return event(chunk({"content": text}, **more))


def event(value: Any) -> bytes:
    """Return one event."""
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"data: {data}\n\n".encode("utf-8", "surrogatepass")


ROLE: Final = event(chunk({"role": "assistant", "content": ""}))
STOP: Final = event(chunk({}, "stop"))
USAGE: Final = event({**chunk({}), "choices": [], "usage": usage_of()})
DONE: Final = event("[DONE]")
ERROR: Final = event({"error": {"message": "it fell over", "type": "server_error"}})
ODD: Final = (
    b": comment\n\n",
    DONE,
    ERROR,
    USAGE,
    STOP,
    ROLE,
    b"data: {]\n\n",
    b'event: error\ndata: {"message":"no"}\n\n',
    b"id: 7\n\n",
    b"\xff\xfe",
    b"data: ",
    b"\n",
    b"\r\n",
    says("crlf").replace(b"\n", b"\r\n"),
    says("other", model="another"),
    says("second", index=1),
    says("half")[:-9],
    says("bad").replace(b"bad", b"\xe6\xbc"),
    says("control").replace(b"con", b"\x01"),
    event(chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]})),
    event(chunk({"reasoning_content": "hm"})),
    event({**chunk({"content": "x"}), "usage": usage_of()}),
    json.dumps(chunk({"role": "assistant", "content": "x"})).join(["data: ", "\n\n"]).encode(),
)
"""What is not one more event of a steady stream, or no event at all."""
STEADY: Final = tuple(says(f"w{number} ") for number in range(6))
STREAM: Final = (ROLE, *STEADY, STOP, USAGE, DONE)
WHOLE: Final = json.dumps(completion({"content": "Hello"}), ensure_ascii=False).encode()


def answer(
    *pieces: bytes, status: bytes = b"200 OK", lines: Sequence[bytes] = (SSE,), framing: Framing = "chunked"
) -> tuple[bytes, ...]:
    """Return an answer, its head in one write and each piece in its own; a body to the end needs `How.CLOSE`."""
    framed = {
        "chunked": b"Transfer-Encoding: chunked",
        "length": b"Content-Length: %d" % sum(map(len, pieces)),
        "close": b"Connection: close",
    }
    head = b"\r\n".join([b"HTTP/1.1 " + status, *lines, framed[framing], b"", b""])
    if framing != "chunked":
        return (head, *pieces)
    return (head, *(in_chunk(piece) for piece in pieces if piece), b"0\r\n\r\n")


def in_chunk(piece: bytes, extension: bytes = b"") -> bytes:
    """Return one HTTP chunk."""
    return b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)


def whole(data: bytes = WHOLE, *more: bytes, status: bytes = b"200 OK", framing: Framing = "length") -> tuple[bytes]:
    """Return a whole answer in one write."""
    return (b"".join(answer(data, status=status, lines=(JSON, *more), framing=framing)),)


def refusal(status: bytes, *more: bytes, message: str = "no luck", code: str | None = None) -> tuple[bytes]:
    """Return an error of OpenAI's form."""
    error = {"message": message, "type": "fake_error", "param": None, "code": code}
    return whole(json.dumps({"error": error}).encode(), *more, status=status)
