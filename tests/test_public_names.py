"""The names that other packages may lean on: adding or removing one is a decision, so it shows here."""

from __future__ import annotations

import subprocess
import sys

import pytest

import llms

NAMES = {
    "AsyncClient",
    "ChatRequest",
    "Chunk",
    "Client",
    "ClientError",
    "Completion",
    "Config",
    "ConfigError",
    "Engine",
    "LlmsError",
    "ModelInfo",
    "Provider",
    "ProviderFactory",
    "ProviderSettings",
    "RequestError",
    "Resources",
    "StreamBroken",
    "StreamingChunk",
    "UpstreamError",
    "Usage",
    "create_app",
    "load",
}


def test_the_list_is_this_one() -> None:
    assert set(llms.__all__) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_is_there(name: str) -> None:
    assert getattr(llms, name) is not None


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        llms.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import sys, llms; print(*(m for m in sys.modules if m.startswith('llms')))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["llms"]
