from __future__ import annotations

import pytest

from llms.config.model import ModelRow
from llms.routing.routes import Named, Target, named


def test_an_id_joins_provider_and_model() -> None:
    assert Target("openrouter", "openai/gpt-4o").id == "openrouter/openai/gpt-4o"


def test_the_weight_is_no_part_of_what_a_target_is() -> None:
    assert Target("a", "m", 3) == Target("a", "m")
    assert len({Target("a", "m", 3), Target("a", "m")}) == 1


def test_only_the_first_slash_parts_provider_and_model() -> None:
    assert Target.of("openrouter/openai/gpt-4o", weight=2) == Target("openrouter", "openai/gpt-4o")
    assert Target.of("a/m", weight=2).weight == 2


@pytest.mark.parametrize("text", ["", "model", "/model", "provider/", "/"])
def test_half_a_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="provider/model"):
        Target.of(text)


def test_a_configured_row_is_read() -> None:
    row = ModelRow.read(
        {
            "targets": [{"target": "groq/llama-4", "weight": 3}, "local/qwen"],
            "strategy": "weighted",
            "on_context_overflow": "gemini/gemini-3-pro",
        }
    )
    found = named(row)
    assert found == Named(
        (Target("groq", "llama-4"), Target("local", "qwen")), "weighted", Target("gemini", "gemini-3-pro")
    )
    assert [target.weight for target in found.targets] == [3, 1]


def test_a_row_without_an_overflow_target_has_none() -> None:
    assert named(ModelRow.read({"targets": ["a/m"]})) == Named((Target("a", "m"),))
