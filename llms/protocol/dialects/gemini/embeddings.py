"""Texts to vectors by `batchEmbedContents`, as the API reference's page "Embeddings" has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from llms.protocol.chat import Usage
from llms.protocol.dialects.gemini.extras import extras
from llms.protocol.dialects.gemini.shapes import dicts
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.errors import NotSupported, UpstreamProtocolError


def embed_requests(request: EmbeddingRequest, *, path: str) -> dict[str, Any]:
    """Return the body for all inputs; `path` is the model's. Raise NotSupported for token ids.

    `extra_body.google` may hold `task_type` and `title`, which go into each.
    """
    size = {} if request.dimensions is None else {"outputDimensionality": request.dimensions}
    alike = {"model": path, **size, **extras(request.body)}
    return {"requests": [{**alike, "content": {"parts": [{"text": _text(given)}]}} for given in request.inputs]}


def _text(given: str | Sequence[int]) -> str:
    if not isinstance(given, str):
        raise NotSupported("Gemini makes vectors of texts, not of token ids.", param="input")
    return given


def read_embeddings(item: Any, request: EmbeddingRequest, *, provider: str) -> Embeddings:
    """Return the vectors of an answer. Where fewer dimensions were asked for, Google leaves their length to others."""
    rows = item.get("embeddings") if isinstance(item, dict) else None
    if not isinstance(rows, list):
        raise UpstreamProtocolError(f"{provider}: the upstream's answer holds no embeddings")
    vectors: list[Any] = [row.get("values") for row in dicts(rows)]
    if len(vectors) != len(rows) or not all(isinstance(vector, list) and vector for vector in vectors):
        raise UpstreamProtocolError(f"{provider}: the upstream's answer holds an embedding without values")
    return Embeddings(
        vectors if request.dimensions is None else [_of_length_one(vector) for vector in vectors],
        model=request.model,
        usage=_usage(item.get("usageMetadata")),
    )


def _of_length_one(vector: Sequence[float]) -> Sequence[float]:
    length = math.hypot(*vector)
    return [number / length for number in vector] if length else vector


def _usage(told: object) -> Usage | None:
    count = told.get("promptTokenCount") if isinstance(told, Mapping) else None
    return Usage(prompt_tokens=count, source="reported") if isinstance(count, int) else None
