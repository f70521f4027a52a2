"""Embeddings of a local model: what is asked of the library, and what it answers."""

from __future__ import annotations

import json as stdlib
from typing import Any, NoReturn

import orjson

from llms.protocol.chat import Usage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.errors import InvalidRequest


def embedding_body(request: EmbeddingRequest, *, vocabulary: int) -> bytes:
    """Return the JSON that the library gets; raise InvalidRequest for tokens that the model does not have.

    `vocabulary` is the number of the model's tokens: native code takes an id beyond it for an address.
    """
    for place, given in enumerate(request.inputs):
        if not isinstance(given, str) and max(given) >= vocabulary:
            _refuse(place, vocabulary)
    known = {"input": request.inputs}
    try:
        return orjson.dumps(known)
    except TypeError:
        # Half characters, which no tokenizer reads, become question marks.
        return stdlib.dumps(known, ensure_ascii=False).encode("utf-8", "replace")


def embeddings(answer: bytes) -> Embeddings:
    """Return what the library answered: a vector for each input, and the tokens that it read."""
    found: dict[str, Any] = orjson.loads(answer)
    return Embeddings(found["data"], usage=Usage(prompt_tokens=found["prompt_tokens"], source="reported"))


def _refuse(place: int, vocabulary: int) -> NoReturn:
    message = f"`input[{place}]` must hold token ids below {vocabulary}: this model has no others."
    raise InvalidRequest(message, param="input")
