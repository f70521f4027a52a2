"""The sections as values of the program: frozen, cheap to import, silent about secrets."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from llms.config.model import Config, Keys, ModelRow, ProviderRow, Server, Target
from llms.config.problems import OptionProblem
from llms.config.wording import problems_of


def test_a_configuration_cannot_be_changed() -> None:
    config = Config()
    with pytest.raises(ValidationError):
        config.server = Server(port=1)
    with pytest.raises(ValidationError):
        config.server.port = 1


def test_a_row_can_be_made_by_the_program() -> None:
    row = ProviderRow(name="a", type="openai", options={"api_key": "sk-planted"})
    assert (row.retries, row.timeouts.connect, row.limits.queue) == (2, 10.0, 256)
    assert "planted" not in repr(row)


def test_empty_keys_never_match() -> None:
    keys = Keys(static=(SecretStr(""), SecretStr("  "), SecretStr("k")))
    assert [key.get_secret_value() for key in keys.static] == ["k"]
    assert [key.get_secret_value() for key in Keys.model_validate({"static": ["", " ", " k "]}).static] == ["k"]


def test_text_is_a_target_of_weight_one() -> None:
    row = ModelRow.model_validate({"targets": ["a/b"]})
    assert row.targets == (Target(target="a/b", weight=1),)


def test_the_model_is_cheap_to_import() -> None:
    code = "import sys, llms.config.model; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "pydantic" in loaded
    assert not {"aiohttp", "openai", "yaml", "platformdirs", "structlog", "asyncio", "click"} & set(loaded)


def test_loading_needs_no_more_than_yaml() -> None:
    code = (
        "import sys; from llms.config.load import loads;"
        "loads('server: {port: 1}', filename='f', environ={}, validate_options=lambda kind, options: []);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "yaml" in loaded
    assert not {"aiohttp", "openai", "platformdirs", "structlog", "asyncio", "click"} & set(loaded)


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
    with pytest.raises(ValidationError) as caught:
        _Outer.model_validate({"base_ulr": "x", "models": {"m": {"paht": 1, "size": "big"}}, "speed": "planted"})
    problems = problems_of(caught.value, _Outer)
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
    with pytest.raises(ValidationError) as caught:
        _Outer.model_validate({"base_url": "x", "pieces": [{"path": "p", "szie": 1}], "kind": "d", "pairs": 3})
    assert problems_of(caught.value, _Outer) == [
        OptionProblem(("pieces", 0, "szie"), "unknown key", 'did you mean "size"?'),
        OptionProblem(("kind",), "must be one of a, b, c"),
        OptionProblem(("pairs",), "must be even"),
    ]
    with pytest.raises(ValidationError) as caught:
        _Outer.model_validate({"base_url": "x", "speed": float("nan"), "pieces": [{"path": "p"}] * 3})
    (problem,) = problems_of(caught.value, _Outer)
    assert problem.message.startswith("List should have at most 2 items")
