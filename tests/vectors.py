"""An upstream that makes embeddings, for tests: each text has its vector, in the form that was asked for."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import Any

from llms.testing.answers import Answer, body
from llms.testing.seen import Seen

WIDTH = 4


def vector(given: Any, width: int = WIDTH) -> list[float]:
    """Return the vector of an input; all its numbers are exact as 32-bit floats."""
    digest = hashlib.sha256(repr(given).encode()).digest()
    return [number / 128 for number in digest[:width]]


def packed(numbers: Sequence[float]) -> str:
    """Return base64 of little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def unpacked(text: str) -> list[float]:
    data = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def inputs_of(sent: Any) -> list[Any]:
    """Return what gets a vector each by the body of a request."""
    given = sent["input"]
    return [given] if isinstance(given, str) or isinstance(given[0], int) else given


def made(seen: Seen, *, form: str | None = None) -> dict[str, Any]:
    """Return the answer to a request as an object; `form` is for upstreams that do as they please."""
    wanted = form or seen.json.get("encoding_format") or "float"
    vectors = [vector(given, seen.json.get("dimensions") or WIDTH) for given in inputs_of(seen.json)]
    data = [
        {"object": "embedding", "index": index, "embedding": packed(numbers) if wanted == "base64" else numbers}
        for index, numbers in enumerate(vectors)
    ]
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    return {"object": "list", "data": data, "model": seen.json["model"], "usage": usage}


def embedder(*, form: str | None = None) -> Callable[[Seen], Answer]:
    """Return what answers every request for embeddings."""
    return lambda seen: body(made(seen, form=form), headers={"x-request-id": "up-1"})
