"""The example of a provider in a package of its own: as pip would install it, listed, served, held to the contract."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from llms.testing.answers import answer
from llms.testing.fake_upstream import FakeUpstream
from llms.testing.steps import head, raw
from tests.cli.conftest import Home, Run
from tests.docs.markdown import ROOT, blocks

EXAMPLE = ROOT / "examples" / "third_party_provider"
PROJECT = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
MODULE = "llms_ollama_native.py"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Lay out what `pip install` makes of the example, without a build: its module and what its metadata says."""
    place = tmp_path / "site"
    info = place / f"llms_ollama_native-{PROJECT['project']['version']}.dist-info"
    info.mkdir(parents=True)
    shutil.copy(EXAMPLE / MODULE, place)
    project = PROJECT["project"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["llms.providers"]
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[llms.providers]", *lines, ""]))
    return place


def beside(place: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the PYTHONPATH under which a package is installed."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(place), environ.get("PYTHONPATH", str(ROOT)))))}


async def test_it_is_listed_and_answers(installed: Path, home: Home, llms_apart: Run) -> None:
    lines = [
        {"message": {"role": "assistant", "content": "hello there"}, "done": False},
        {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
    ]
    environ = beside(installed, home.environ())
    async with FakeUpstream() as upstream:
        upstream.script(answer(head(), *(raw(json.dumps(each).encode() + b"\n") for each in lines)))
        home.write(f'providers:\n  mine: {{type: ollama_native, base_url: "{upstream.url}"}}\n')
        listed = await llms_apart("plugins", "--json", **environ)
        said = await llms_apart("chat", "--config", "providers.yaml", "-m", "mine/any", "hello", **environ)

    [plugin] = json.loads(listed.out)
    assert (plugin["type"], plugin["distribution"]) == ("ollama_native", "llms-ollama-native")
    assert (plugin["version"], plugin["problem"]) == (PROJECT["project"]["version"], None)
    assert (said.code, said.out) == (0, "hello there\n")


def test_its_own_tests_hold_the_contract(installed: Path) -> None:
    shutil.copy(EXAMPLE / "test_llms_ollama_native.py", installed)
    shutil.copy(EXAMPLE / "pyproject.toml", installed)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=installed,
        env={**os.environ, **beside(installed, os.environ)},
        capture_output=True,
        text=True,
        timeout=110,
    )

    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]
    assert "skipped" not in ran.stdout.splitlines()[-1]


@pytest.mark.parametrize("page", ["docs/plugins.md"])
def test_the_walk_through_shows_the_example(page: str) -> None:
    files = "\n".join((EXAMPLE / name).read_text() for name in (MODULE, "pyproject.toml", "test_llms_ollama_native.py"))
    shown = [block for block in blocks(page) if block.language in ("python", "toml")]

    assert len(shown) > 3
    for block in shown:
        for part in block.text.split("\n    ...\n"):
            assert part.strip("\n") in files, f"{page} shows what the example does not have:\n{part}"
