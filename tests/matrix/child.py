"""A scripted library in the child process of a local model: it says what a case of the matrix wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

from llms.providers.llama_cpp.load import Load
from llms.testing.answers import chunk
from tests.matrix.facts import ALSO, CASES, ERROR, LAST
from tests.matrix.upstreams import BROKEN, OpenAI

LOADER: Final = "tests.matrix.child:load"
ALIAS: Final = "scripted"
"""The model that this library runs."""
HEARD: Final = "heard"
"""The field of the last answer that holds what was asked."""


class Scripted:
    """Answer the question that names a case; results of tools are answered with all that was asked."""

    facts: Mapping[str, Any] = {"library": "scripted", "n_ctx": 1024}

    def chat(self, number: int, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        asked = json.loads(body)
        if asked["messages"][-1]["role"] == "tool":
            said = OpenAI().objects(LAST._replace(text=json.dumps({HEARD: asked})))
        else:
            [case] = [one for one in (*CASES, *chain(*ALSO.values())) if one.name == asked["messages"][-1]["content"]]
            said = [chunk({"content": case.answer.text})] if case is ERROR else OpenAI().objects(case.answer)
        for item in said:
            on_piece(json.dumps(item).encode())
        if len(said) == 1:
            raise RuntimeError(BROKEN)

    def stop(self, number: int) -> None:
        """Do nothing: every answer is short."""

    def embed(self, body: bytes) -> bytes:
        raise ValueError("no embeddings here")


def load(wanted: Load) -> Scripted:
    return Scripted()
