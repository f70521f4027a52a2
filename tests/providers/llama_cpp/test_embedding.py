"""What of a request for embeddings reaches the library, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from llms.protocol.embeddings import EmbeddingRequest
from llms.protocol.errors import InvalidRequest
from llms.providers.llama_cpp.embedding import embedding_body, embeddings


def asking(inputs: Sequence[str] | Sequence[Sequence[int]]) -> EmbeddingRequest:
    return EmbeddingRequest({"input": inputs, "model": "m", "lora": [1]}, "m", inputs)


@pytest.mark.parametrize("inputs", [["a", "b"], [[0, 9], [1]], ["Grüße \0 😀"]])
def test_only_the_inputs_reach_the_library(inputs: Sequence[str]) -> None:
    assert json.loads(embedding_body(asking(inputs), vocabulary=10)) == {"input": inputs}


def test_half_characters_become_question_marks() -> None:
    assert json.loads(embedding_body(asking(["a\ud800b"]), vocabulary=10)) == {"input": ["a?b"]}


@pytest.mark.parametrize("token", [10, 2**31, 2**63, 10**30])
def test_tokens_that_the_model_does_not_have_are_refused(token: int) -> None:
    with pytest.raises(InvalidRequest, match=r"`input\[1\]` must hold token ids below 10") as refused:
        embedding_body(asking([[9], [1, token]]), vocabulary=10)
    assert refused.value.param == "input"


def test_the_answer_of_the_library() -> None:
    found = embeddings(b'{"data": [[0.5, -1], [1, 2]], "prompt_tokens": 7}')
    assert list(found.vectors) == [[0.5, -1], [1, 2]]
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.source) == (7, "reported")
