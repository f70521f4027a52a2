"""Options of providers from other packages: pydantic models, with errors in our words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from llms.config.foreign import read
from llms.config.problems import Invalid, OptionProblem


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    path: str
    size: int = 1


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


class _Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    base_url: str
    models: dict[str, _Inner] = {}
    speed: float = 1.0
    pieces: Annotated[list[_Inner], Field(max_length=2)] | None = None
    kind: Literal["a", "b", "c"] = "a"
    pairs: Annotated[int, AfterValidator(_even)] = 2
    anything: Any = None


def test_the_errors_of_any_pydantic_model_are_put_into_our_words() -> None:
    with pytest.raises(Invalid) as caught:
        read(_Outer, {"base_ulr": "x", "models": {"m": {"paht": 1, "size": "big"}}, "speed": "planted"})
    problems = list(caught.value.problems)
    assert problems == [
        OptionProblem((), 'needs the key "base_url"'),
        OptionProblem(("models", "m"), 'needs the key "path"'),
        OptionProblem(("models", "m", "size"), "must be a whole number"),
        OptionProblem(("models", "m", "paht"), "unknown key", 'did you mean "path"?'),
        OptionProblem(("speed",), "must be a number"),
        OptionProblem(("base_ulr",), "unknown key", 'did you mean "base_url"?'),
    ]
    assert "planted" not in str(problems)


def test_errors_without_words_of_ours_keep_those_of_their_author() -> None:
    with pytest.raises(Invalid) as caught:
        read(_Outer, {"base_url": "x", "pieces": [{"path": "p", "szie": 1}], "kind": "d", "pairs": 3})
    assert list(caught.value.problems) == [
        OptionProblem(("pieces", 0, "szie"), "unknown key", 'did you mean "size"?'),
        OptionProblem(("kind",), "must be one of a, b, c"),
        OptionProblem(("pairs",), "must be even"),
    ]
    with pytest.raises(Invalid) as caught:
        read(_Outer, {"base_url": "x", "speed": float("nan"), "pieces": [{"path": "p"}] * 3})
    (problem,) = list(caught.value.problems)
    assert problem.message.startswith("List should have at most 2 items")
