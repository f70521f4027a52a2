"""What the tests of the configuration share: one environment, one check of provider rows, one example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from llms.config.load import ConfigError, OptionProblem, ValidateOptions, loads
from llms.config.model import Config

ENVIRON = {
    "OPENAI_API_KEY": "sk-openai-planted-0123456789",
    "AZURE_KEY": "azure-planted-0123456789",
    "AZURE_TOKEN": "token-planted-0123456789",
    "TEAM": "research",
    "EMPTY": "",
}

OPTIONS: Mapping[str, Mapping[str, type]] = {
    "openai": {"api_key": str, "base_url": str},
    "anthropic": {"api_key": str, "base_url": str},
    "openai_compatible": {"api_key": str, "base_url": str, "headers": dict, "stream_usage": str},
    "sdk": {"client": str, "options": dict},
    "llama_cpp": {"library": str, "memory": str, "models": dict},
}
"""The own keys of each provider type, as far as these tests go."""


def validate_options(kind: str, options: Mapping[str, Any]) -> Sequence[OptionProblem]:
    """Check a row like a registry of provider types would."""
    if kind not in OPTIONS:
        return [OptionProblem(("type",), f'unknown provider type "{kind}"', f"one of: {', '.join(OPTIONS)}")]
    own = OPTIONS[kind]
    unknown = [OptionProblem((key,), "unknown key") for key in options if key not in own]
    wrong = [
        OptionProblem((key,), f"must be a {own[key].__name__}, not {value!r}")
        for key, value in options.items()
        if key in own and not isinstance(value, own[key])
    ]
    return [*unknown, *wrong]


@pytest.fixture
def environ() -> dict[str, str]:
    return dict(ENVIRON)


@pytest.fixture
def validate() -> ValidateOptions:
    return validate_options


@pytest.fixture
def example() -> str:
    return Path(__file__).with_name("example.yaml").read_text(encoding="utf-8")


@pytest.fixture
def read() -> Callable[..., Config]:
    """Load a text with the shared environment."""

    def _read(text: str, *, known_providers: Sequence[str] = (), **environ: str) -> Config:
        return loads(
            text,
            filename="providers.yaml",
            environ=ENVIRON | environ,
            validate_options=validate_options,
            known_providers=known_providers,
        )

    return _read


@pytest.fixture
def refuse(read: Callable[..., Config]) -> Callable[..., ConfigError]:
    """Load a text that must be refused, and return the error."""

    def _refuse(text: str, **more: Any) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            read(text, **more)
        return caught.value

    return _refuse
