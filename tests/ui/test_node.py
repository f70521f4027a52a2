"""Run the tests of pure modules, *.test.mjs of this folder, under `node --test`."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = shutil.which("node")
OLDEST = 20
FILES = sorted(HERE.glob("*.test.mjs"))


def test_there_are_tests() -> None:
    assert FILES


@pytest.mark.skipif(NODE is None, reason="needs Node: apt-get install nodejs")
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_modules_under_node(file: Path) -> None:
    assert NODE is not None
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"needs Node {OLDEST} or newer, found {version.strip()}: apt-get install nodejs")

    ran = subprocess.run(
        [NODE, "--no-warnings", "--import", (HERE / "vendored.mjs").as_uri(), "--test-reporter=spec", "--test", file],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    if ran.returncode:
        pytest.fail(
            (ran.stdout.partition("failing tests:")[2] or ran.stdout)[:6000] + ran.stderr[-2000:], pytrace=False
        )
    assert re.search(r"^ℹ tests [1-9]", ran.stdout, re.MULTILINE), "a file without tests"
