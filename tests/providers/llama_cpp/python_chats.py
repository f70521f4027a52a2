"""Chat with a model through llama-cpp-python, in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from llms.protocol.fold import Fold
from llms.providers.llama_cpp.answers import LlamaFailures, PieceReader
from llms.providers.llama_cpp.child.llama_python.model import ChatModel, load
from llms.providers.llama_cpp.load import EMBEDDED, Load

MODELS = [EMBEDDED, *filter(None, [os.environ.get("LLMS_TEST_MODEL")])]
"""The demo, and a GGUF file of some 100 MB, slow enough to be stopped anywhere, where LLMS_TEST_MODEL names one."""


@dataclass(frozen=True)
class Answer:
    """What the pieces of one chat come to."""

    pieces: list[dict[str, Any]]
    completion: dict[str, Any]

    @property
    def message(self) -> dict[str, Any]:
        return dict(self.completion["choices"][0]["message"])

    @property
    def text(self) -> str:
        return str(self.message["content"])

    @property
    def reason(self) -> str:
        return str(self.completion["choices"][0]["finish_reason"])

    @property
    def usage(self) -> dict[str, Any]:
        return dict(self.completion["usage"])

    @property
    def logprobs(self) -> list[dict[str, Any]]:
        return list(self.completion["choices"][0]["logprobs"]["content"])


def wanted(path: str = EMBEDDED, **fields: Any) -> Load:
    return Load(**{"path": path, "alias": "demo", "n_ctx": 1024, "slots": 1, "n_threads": 1, "n_batch": 64, **fields})


def loaded(path: str = EMBEDDED, **fields: Any) -> ChatModel:
    pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
    model = load(wanted(path, **fields))
    assert isinstance(model, ChatModel)
    return model


def body(question: str | list[Mapping[str, Any]], **fields: Any) -> bytes:
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
    return json.dumps({"messages": messages, "temperature": 0, **fields}).encode()


def ask(
    model: ChatModel,
    question: str | list[Mapping[str, Any]],
    *,
    number: int = 1,
    until: Callable[[bytes], bool] = lambda piece: False,
    **fields: Any,
) -> Answer:
    """Chat; `until` sees each piece and may end it."""
    pieces: list[bytes] = []

    def take(piece: bytes) -> bool:
        pieces.append(piece)
        return until(piece)

    model.chat(number, body(question, **fields), take)
    reader = PieceReader(LlamaFailures("local", "demo"))
    chunk = reader.read(pieces)
    if reader.error is not None:
        raise reader.error
    whole = Fold()
    if chunk is not None:
        assert [json.loads(payload) for payload in chunk.payloads()] == list(chunk.objects)
        whole.add(chunk.objects)
    return Answer([json.loads(piece) for piece in pieces], whole.completion())
