"""Vectors on the wire: what a provider answered, checked and written in the form that the client asked for.

An answer may be 60 MB of numbers, and decoding it at once would hold everybody up. So the work is cut into steps of
one vector, and each vector is found by its key and looked at alone. What is left of the answer then is small.
"""

from __future__ import annotations

import binascii
import math
import re
import sys
from array import array
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn, final

from llms.protocol import json
from llms.protocol.chat import Usage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings, EncodingFormat
from llms.protocol.errors import InvalidRequest, UpstreamProtocolError

_VECTOR: Final = re.compile(rb'"embedding"[ \t\r\n]*:[ \t\r\n]*([\["])')
_ENDS: Final = {b"[": b"]", b'"': b'"'}
_FORMS: Final[Mapping[int, EncodingFormat]] = {ord("["): "float", ord('"'): "base64"}

Steps = Generator[None, None, "Written"]
"""Work that yields after each vector and returns what it made."""


class Written(NamedTuple):
    """One whole answer for a client."""

    payload: bytes
    usage: Usage | None


def write(embeddings: Embeddings, request: EmbeddingRequest, *, provider: str) -> Steps:
    """Write the answer to a request; raise UpstreamProtocolError where the vectors are not what was asked for.

    A single answer of an upstream that is as it should be stays as it came, to the byte.
    """
    if embeddings.answers:
        return _relay(embeddings.answers, request, provider)
    return _write_own(embeddings, request, provider)


# -- vectors of our own -----------------------------------------------------------------------------------------


def _write_own(embeddings: Embeddings, request: EmbeddingRequest, provider: str) -> Steps:
    vectors, wanted = embeddings.vectors, request.encoding_format
    if len(vectors) != len(request.inputs):
        _wrong(provider, f"holds {len(vectors)} vectors for {len(request.inputs)} inputs")
    texts: list[bytes | memoryview] = []
    for vector in vectors:
        _require_numbers(vector, provider)
        vector = vector if request.dimensions is None else shortened(vector, request.dimensions)
        texts.append(_in_form(array("f", vector), wanted) if wanted == "base64" else json.dumps(list(vector)))
        yield
    usage = embeddings.usage or Usage()
    told = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
    head = {"object": "list", "model": embeddings.model or request.model, "usage": told}
    return Written(_joined(head, [{"object": "embedding"}] * len(texts), texts), embeddings.usage)


def _require_numbers(vector: Sequence[float], provider: str) -> None:
    """Raise UpstreamProtocolError for a vector with something else in it: llama.cpp writes null for NaN."""
    try:
        fit = math.isfinite(sum(vector))
    except TypeError:
        fit = False
    if not fit:
        _wrong(provider, "holds a vector with something in it that is no number")


def shortened(vector: Sequence[float], dimensions: int) -> Sequence[float]:
    """Return the first numbers of a vector, brought back to length 1; raise InvalidRequest where it has fewer."""
    if len(vector) < dimensions:
        raise InvalidRequest(
            f"`dimensions` must be at most {len(vector)} for this model, found {dimensions}.", param="dimensions"
        )
    if len(vector) == dimensions:
        return vector
    part = vector[:dimensions]
    length = math.sqrt(sum(number * number for number in part))
    return [number / length for number in part] if length else part


# -- an upstream's answers --------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of an upstream, its items in the order of the inputs."""

    head: dict[str, Any]
    items: Sequence[Mapping[str, Any]]
    texts: Sequence[bytes | memoryview]
    as_asked: bool
    """Nothing has to be changed in it."""


def _relay(answers: Sequence[tuple[int, bytes]], request: EmbeddingRequest, provider: str) -> Steps:
    read = []
    for count, body in answers:
        read.append((yield from _read(body, count, request, provider)))
    usage = _summed([answer.head.get("usage") for answer in read])
    if len(read) == 1 and read[0].as_asked:
        return Written(answers[0][1], Usage.of(usage))
    head = {**read[0].head, "object": "list", "model": read[0].head.get("model") or request.model, "usage": usage}
    if usage is None:
        del head["usage"]
    items = [item for answer in read for item in answer.items]
    return Written(_joined(head, items, [text for answer in read for text in answer.texts]), Usage.of(usage))


def _read(body: bytes, count: int, request: EmbeddingRequest, provider: str) -> Generator[None, None, _Answer]:
    """Read one answer; raise UpstreamProtocolError for one that does not hold `count` vectors."""
    wanted, as_asked = request.encoding_format, True
    texts: list[bytes | memoryview] = []
    rest: list[bytes] = []
    end = 0
    for start, stop in _spans(body):
        text = memoryview(body)[start:stop]
        numbers = _numbers(text)
        if not numbers:
            _wrong(provider, f"holds neither numbers nor base64 of them in vector {len(texts)}")
        if _FORMS[text[0]] != wanted:
            _require_numbers(numbers, provider)
            text, as_asked = memoryview(_in_form(numbers, wanted)), False
        rest += [body[end:start], b"%d" % len(texts)]
        texts.append(text)
        end = stop
        yield
    head = _decoded(b"".join([*rest, body[end:]]), provider)
    items = _items(head.pop("data", None), len(texts), count, provider)
    order = _order([item.get("index") for item in items])
    as_asked = as_asked and order is not None and head.get("object") == "list" and bool(head.get("model"))
    order = order or range(count)
    return _Answer(head, [items[at] for at in order], [texts[at] for at in order], as_asked)


def _spans(body: bytes) -> Generator[tuple[int, int], None, None]:
    """Yield where the vectors of an answer begin and end; none of the two forms can hold its own end."""
    end = 0
    while (found := _VECTOR.search(body, end)) is not None:
        start = found.start(1)
        end = body.find(_ENDS[found[1]], start + 1) + 1
        if not end:
            return
        yield start, end


def _numbers(text: memoryview) -> array[float] | None:
    """Return the numbers of a vector, whichever form it has; None where it is none."""
    try:
        if text[0] == ord("["):
            return array("f", json.loads(bytes(text)))
        return _from_base64(text[1:-1])
    except (ValueError, TypeError):
        return None


def _from_base64(text: memoryview) -> array[float]:
    if b"\\" in bytes(text):
        # JSON allows to escape the slashes of base64.
        text = memoryview(bytes(text).replace(b"\\/", b"/"))
    numbers = array("f", binascii.a2b_base64(text, strict_mode=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _in_form(numbers: array[float], wanted: EncodingFormat) -> bytes:
    """Return the JSON text of a vector; the numbers may be spoiled by it."""
    if wanted == "float":
        return json.dumps(numbers.tolist())
    if sys.byteorder == "big":
        numbers.byteswap()
    return b'"%b"' % binascii.b2a_base64(numbers, newline=False)


def _decoded(rest: bytes, provider: str) -> dict[str, Any]:
    """Return an answer in which numbers stand for the vectors."""
    try:
        found = json.loads(rest)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        _wrong(provider, "is not JSON" if found is None else "is not an object")
    return found


def _items(data: Any, found: int, count: int, provider: str) -> list[dict[str, Any]]:
    """Return the items of an answer, checked to be one for each vector and each input."""
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        _wrong(provider, "has no list of embeddings")
    if found != count or [item.pop("embedding", None) for item in data] != list(range(count)):
        _wrong(provider, f"holds {min(found, len(data))} vectors for {count} inputs")
    return data


def _order(indexes: Sequence[Any]) -> Sequence[int] | None:
    """Return where the vector of each input stands; None where the upstream does not tell it well."""
    if not all(index.__class__ is int for index in indexes):
        return None
    order = sorted(range(len(indexes)), key=indexes.__getitem__)
    return order if [indexes[at] for at in order] == list(range(len(indexes))) else None


def _summed(told: Sequence[Any]) -> Any:
    """Return the usage of several answers: their numbers added up; None as soon as one told none."""
    if len(told) == 1:
        return told[0]
    if not all(isinstance(usage, dict) for usage in told):
        return None
    total = dict(told[0])
    for usage in told[1:]:
        for name, value in usage.items():
            before = total.get(name, 0)
            if isinstance(value, int | float) and isinstance(before, int | float):
                total[name] = before + value
    return total


def _joined(head: Mapping[str, Any], items: Sequence[Mapping[str, Any]], texts: Sequence[bytes | memoryview]) -> bytes:
    """Return the whole JSON text: the items numbered, each with its vector."""
    parts: list[bytes | memoryview] = [b'{"data":[']
    for index, (item, text) in enumerate(zip(items, texts, strict=True)):
        told = json.dumps({**item, "object": "embedding", "index": index, "embedding": 0}).removesuffix(b"0}")
        parts += [b"," if index else b"", told, text, b"}"]
    rest = json.dumps(dict(head))
    return b"".join([*parts, b"],", rest[1:]])


def _wrong(provider: str, what: str) -> NoReturn:
    raise UpstreamProtocolError(f"{provider}: the upstream's answer {what}")
