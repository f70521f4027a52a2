"""Texts as vectors through llama-cpp-python."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from llms.providers.llama_cpp.child.llama_python.embedding import EmbeddingModel
from llms.providers.llama_cpp.child.llama_python.model import load
from llms.providers.llama_cpp.load import Unloadable
from tests.providers.llama_cpp.demo_variants import variant
from tests.providers.llama_cpp.python_chats import MODELS, loaded, wanted

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
pytestmark = pytest.mark.local

LAST, RANK = 3, 4


def for_texts(path: str, **fields: Any) -> EmbeddingModel:
    model = load(wanted(path, embedding=True, **fields))
    assert isinstance(model, EmbeddingModel)
    return model


def embed(model: EmbeddingModel, *inputs: str | list[int]) -> tuple[list[list[float]], int]:
    found = json.loads(model.embed(json.dumps({"input": inputs}).encode()))
    return found["data"], found["prompt_tokens"]


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module", params=MODELS, ids=["demo", "large"][: len(MODELS)])
def model(request: pytest.FixtureRequest) -> Iterator[EmbeddingModel]:
    model = for_texts(request.param)
    yield model
    model.close()


def test_vectors_have_the_models_size_and_length_one(model: EmbeddingModel) -> None:
    vectors, tokens = embed(model, "A fox jumps.", "A dog sleeps.", "A fox jumps.")
    assert {len(vector) for vector in vectors} == {model.facts["dimensions"]}
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in vectors)
    assert vectors[0] == vectors[2] != vectors[1]
    assert tokens >= 9


def test_texts_alike_have_vectors_alike(model: EmbeddingModel) -> None:
    [fox, again, other], _ = embed(model, "how do I add a provider?", "how can I add a provider", "tell me a joke")
    assert likeness(fox, again) > likeness(fox, other)


def test_a_vector_is_that_of_the_text_alone(model: EmbeddingModel) -> None:
    long = "word " * 300
    [alone], _ = embed(model, "Hello")
    vectors, _ = embed(model, long, "Hello", long)
    assert likeness(vectors[1], alone) == pytest.approx(1, abs=1e-5)


def test_tokens_are_as_good_as_text(model: EmbeddingModel) -> None:
    [vector], count = embed(model, [1, 5, 7])
    assert count == 3
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([[]], r"input\[0\] is empty"),
        (["Hello", "hi " * 5000], r"input\[1\] has \d+ tokens; this model takes 1024 at most"),
        ([[10**7]], r"input\[0\] has token ids that this model does not have"),
        ([[-1]], r"input\[0\] has token ids"),
    ],
)
def test_inputs_that_are_refused(model: EmbeddingModel, given: list[Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        embed(model, *given)
    assert embed(model, "Hello")[0]


def test_the_files_own_pooling_counts_and_else_the_mean(tmp_path: Path) -> None:
    mean, last = for_texts("embedded"), for_texts(str(variant(tmp_path, {"llama.pooling_type": LAST})))
    assert (mean.facts["pooling"], last.facts["pooling"]) == ("mean", "last")
    text = "How do I add a provider?"
    assert likeness(embed(mean, text)[0][0], embed(last, text)[0][0]) < 0.999
    mean.close()
    last.close()


def test_a_model_that_ranks_gives_no_vectors(tmp_path: Path) -> None:
    with pytest.raises(Unloadable, match="ranks documents"):
        for_texts(str(variant(tmp_path, {"llama.pooling_type": RANK})))


def test_a_model_does_what_it_was_loaded_for() -> None:
    texts, chats = for_texts("embedded"), loaded()
    with pytest.raises(ValueError, match="for embeddings, not for chats"):
        texts.chat(1, b"{}", lambda piece: False)
    with pytest.raises(ValueError, match="for chats, not for embeddings"):
        chats.embed(b"{}")
    texts.stop(1)
    texts.close()
    chats.close()


def test_several_at_the_same_time() -> None:
    model = for_texts("embedded", slots=2)
    expected = {text: embed(model, text)[0][0] for text in ("ping", "Hello", "tell me a joke")}
    wrong: list[str] = []

    def work() -> None:
        for _ in range(20):
            for text, vector in expected.items():
                if likeness(embed(model, text)[0][0], vector) < 0.9999:
                    wrong.append(text)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    model.close()
    assert wrong == []
