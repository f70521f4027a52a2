"""The overview, the names of the verbs, and what holds for all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from llms import __version__
from llms.cli.main import VERBS, verbs
from tests.cli.conftest import ECHO, Home, Run

HEAVY = ("aiohttp", "openai", "pydantic", "rich", "yaml", "structlog", "orjson", "asyncio", "prometheus_client")

LOADED = """
import json, sys
try:
    from llms.cli.main import main
    sys.argv[1:] = json.loads(sys.argv[1])
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["models", "--help"], ["chat", "-h"], ["config", "--help"]]
)
def test_help_imports_nothing_heavy(args: list[str], home: Home) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(args)], env=home.environ(), capture_output=True, check=True
    )
    loaded = set(json.loads(ran.stderr))

    assert ran.stdout
    assert loaded.isdisjoint(HEAVY)


def test_the_overview_names_every_verb_and_what_it_does(home: Home) -> None:
    ran = subprocess.run([sys.executable, "-m", "llms", "--help"], env=home.environ(), capture_output=True, check=True)

    for name, line in VERBS.items():
        assert f"{name} " in ran.stdout.decode()
        assert line in ran.stdout.decode()


@pytest.mark.parametrize(
    "names", [[name] for name in VERBS] + [["config", name] for name in ("check", "show", "schema", "init")]
)
def test_every_verb_has_help_with_an_example(names: list[str]) -> None:
    ran = CliRunner().invoke(verbs, [*names, "--help"])

    assert ran.exit_code == 0
    assert "Example" in ran.output
    assert f"llms {' '.join(names)}" in ran.output


@pytest.mark.parametrize("verb", ["models", "providers", "check", "explain", "plugins", "doctor"])
def test_verbs_that_print_data_take_json(verb: str) -> None:
    assert "--json" in CliRunner().invoke(verbs, [verb, "--help"]).output


async def test_the_version_is_that_of_the_package(llms: Run) -> None:
    ran = await llms("--version")

    assert (ran.code, ran.out) == (0, f"llms, version {__version__}\n")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["modls"], "Did you mean 'models'?"),
        (["nothing-like-it"], "No such command 'nothing-like-it'"),
        (["models", "--jsn"], "--json"),
        (["serve", "--port", "99999"], "99999"),
        (["explain"], "MODEL"),
    ],
)
async def test_a_wrong_call_is_one_line_and_2(llms: Run, args: list[str], words: str) -> None:
    ran = await llms(*args)

    assert ran.code == 2
    assert not ran.out
    assert len(ran.err.splitlines()) == 1
    assert words in ran.err
    assert "--help" in ran.err


def test_a_reader_that_leaves_is_no_trouble(home: Home) -> None:
    home.write(ECHO)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "llms", "models", "--json"]
    ran = subprocess.run(command, cwd=home.path, env=home.environ(), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)

    assert ran.stderr.decode() == ""
    assert ran.returncode == 1


def test_a_full_disk_is_said(home: Home) -> None:
    home.write(ECHO)
    shell = f'"{sys.executable}" -m llms models > /dev/full'
    ran = subprocess.run(["/bin/sh", "-c", shell], cwd=home.path, env=home.environ(), capture_output=True)

    assert ran.returncode == 1
    assert ran.stderr.decode().splitlines() == ["The output could not be written: No space left on device."]
