"""The sections as values of the program: frozen, cheap to import, silent about secrets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llms.config.model import Config, Keys, ModelRow, ProviderRow, Server, Target
from llms.config.secret import SecretStr


def test_a_configuration_cannot_be_changed() -> None:
    config = Config()
    with pytest.raises(AttributeError):
        config.server = Server(port=1)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        config.server.port = 1  # type: ignore[misc]


def test_a_row_can_be_made_by_the_program() -> None:
    row = ProviderRow(name="a", type="openai", options={"api_key": "sk-planted"})
    assert (row.retries, row.timeouts.connect, row.limits.queue) == (2, 10.0, 256)
    assert "planted" not in repr(row)


def test_empty_keys_never_match() -> None:
    keys = Keys(static=(SecretStr(""), SecretStr("  "), SecretStr("k")))
    assert [key.get_secret_value() for key in keys.static] == ["k"]
    assert [key.get_secret_value() for key in Keys.read({"static": ["", " ", " k "]}).static] == ["k"]


def test_text_is_a_target_of_weight_one() -> None:
    row = ModelRow.read({"targets": ["a/b"]})
    assert row.targets == (Target(target="a/b", weight=1),)


def test_the_model_is_cheap_to_import() -> None:
    code = "import sys, llms.config.model; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "aiohttp", "openai", "yaml", "platformdirs", "structlog", "asyncio", "click"} & set(loaded)


def test_loading_needs_no_more_than_yaml() -> None:
    code = (
        "import sys; from llms.config.load import loads;"
        "loads('server: {port: 1}', filename='f', environ={}, validate_options=lambda kind, options: []);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "yaml" in loaded
    assert not {"pydantic", "aiohttp", "openai", "platformdirs", "structlog", "asyncio", "click"} & set(loaded)
