"""A real server for the snippets: `llms serve` in a process of its own, with nothing but the embedded model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llms.providers.discover import libraries
from tests.docs.markdown import ROOT


@dataclass(frozen=True, slots=True)
class Running:
    """The server as its own start describes it."""

    address: str
    printed: str

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment for a client of it."""
        return clean_environ() | {"OPENAI_BASE_URL": f"{self.address}/v1", "OPENAI_API_KEY": "none"}


def clean_environ() -> dict[str, str]:
    """Return an environment in which no provider is found by its key."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "SYSTEMROOT", "npm_config_registry", "NODE_EXTRA_CA_CERTS")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run `llms serve` on a free port until the tests are over."""
    if not libraries():
        pytest.skip("the embedded model needs a library: pip install 'llms[local]'")
    folder: Path = tmp_path_factory.mktemp("serve")
    command = [sys.executable, "-m", "llms", "serve", "--port", "0"]
    environ = clean_environ() | {"LLMS_DATA_DIR": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        printed = ""
        while "curl http" not in printed:
            line = process.stdout.readline()
            assert line, f"llms serve ended: {(folder / 'log').read_text()}"
            printed += line
        found = re.search(r"API +(http://\S+)/v1", printed)
        assert found, printed
        try:
            yield Running(found[1], printed)
        finally:
            process.terminate()
            process.wait(timeout=20)
