"""Whose wish counts."""

from __future__ import annotations

from llms.providers.llama_cpp.child.llama_python.wishes import Wishes


def test_a_request_counts_before_the_file_and_the_file_before_llama_cpp() -> None:
    metadata = {
        "general.sampling.temp": "0.3",
        "general.sampling.top_k": "7",
        "general.sampling.min_p": "much",
        "general.sampling.penalty_last_n": "32.0",
    }
    found = Wishes.of({"temperature": 0, "top_p": 0.5}, metadata, seed=lambda: 9)
    assert found == Wishes(seed=9, temperature=0, top_k=7, top_p=0.5, min_p=0.05, repeat_last_n=32)


def test_a_seed_that_is_wished_is_taken() -> None:
    assert Wishes.of({"seed": 0}, {}, seed=lambda: 9).seed == 0


def test_penalties_need_something_to_look_back_at() -> None:
    assert not Wishes(seed=1).penalizes
    assert Wishes(seed=1, presence_penalty=0.5).penalizes
    assert not Wishes(seed=1, presence_penalty=0.5, repeat_last_n=0).penalizes


def test_biases_are_pairs() -> None:
    assert Wishes.of({"logit_bias": [[5, -100]]}, {}, seed=lambda: 1).logit_bias == ((5, -100),)
