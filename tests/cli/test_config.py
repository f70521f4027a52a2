"""`llms config`: check, show, schema, init."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from llms.config.starter import starter
from tests.cli.conftest import ECHO, Home, Run

BROKEN = """providers:
  a: {type: echo, dellay: 1}
  a: {type: echo}
server: {prot: 1, port: 99999}
keys: {static: [sk-planted-0123456789, 5]}
models: {m: {targets: [nobody/x]}}
"""


async def test_a_valid_file(home: Home, llms: Run) -> None:
    path = home.write(ECHO + '  b: {type: openai, api_key: "${MY_KEY}"}\nmodels: {m: {targets: [b/x, a/one]}}\n')
    named = await llms("config", "check", "providers.yaml")
    found = await llms("config", "check")

    assert (named.code, named.err) == (0, "")
    assert named.out.splitlines() == [
        f"OK: 1 provider, 1 model ({path})",
        "left out: b: needs MY_KEY",
        "note: models.m.targets.0: provider b is left out: needs MY_KEY",
    ]
    assert found == named


async def test_every_problem_at_once_with_its_place(home: Home, llms: Run) -> None:
    home.write(BROKEN)
    ran = await llms("config", "check", "providers.yaml")

    assert (ran.code, ran.out) == (2, "")
    problems = [line for line in ran.err.splitlines() if not line.startswith(" ")]
    assert len(problems) >= 5
    for line, column in ((2, 19), (3, 3), (4, 10), (4, 25), (6, 24)):
        assert any(f"providers.yaml:{line}:{column}: " in problem for problem in problems), (line, column, problems)
    assert "sk-planted" not in ran.err


async def test_every_verb_refuses_a_broken_file_alike(home: Home, llms: Run) -> None:
    home.write(BROKEN)
    verbs = (("config", "show"), ("models",), ("providers",), ("check",), ("explain", "m"), ("serve", "--port", "0"))
    for verb in verbs:
        ran = await llms(*verb)
        assert (ran.code, ran.out) == (2, "")
        assert "providers.yaml:2:19: providers.a.dellay: unknown key" in ran.err


async def test_no_file_to_check(llms: Run) -> None:
    ran = await llms("config", "check")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.rstrip().endswith("Write one with: llms config init")


@pytest.mark.parametrize("name", ["gone.yaml", "folder", "/dev/zero"])
async def test_a_file_that_cannot_be_read(home: Home, llms: Run, name: str) -> None:
    (home.path / "folder").mkdir()
    ran = await llms("config", "check", name)

    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


async def test_what_is_in_force_without_secrets(home: Home, llms: Run) -> None:
    home.write(
        "discover: true\nserver: {port: 9000}\n"
        'providers:\n  o: {type: openai, api_key: "${MY_KEY}", retries: 7}\nkeys: {static: [sk-static-planted]}\n'
    )
    environ = {"MY_KEY": "sk-mine-planted", "GROQ_API_KEY": "sk-groq-planted"}
    as_yaml = await llms("config", "show", **environ)
    as_json = await llms("config", "show", "--json", **environ)

    shown = json.loads(as_json.out)
    assert yaml.safe_load(as_yaml.out) == shown
    assert "planted" not in as_yaml.out + as_json.out + as_yaml.err + as_json.err
    assert shown["server"]["port"] == 9000
    assert shown["server"]["drain"] == "30s"
    assert shown["providers"]["o"]["retries"] == 7
    assert shown["providers"]["o"]["api_key"] == "***"
    assert shown["providers"]["groq"]["type"] == "groq"
    assert shown["keys"]["static"] == ["***"]


async def test_the_schema_holds_for_the_starter(llms: Run) -> None:
    ran = await llms("config", "schema")

    schema = json.loads(ran.out)
    assert ran.code == 0
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(starter()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"providers": {"a": {"type": "echo", "dellay": 1}}}, schema)


async def test_a_file_to_start_from(home: Home, llms: Run) -> None:
    ran = await llms("config", "init")
    checked = await llms("config", "check")

    assert ran.code == 0
    assert (home.path / "providers.yaml").read_text(encoding="utf-8") == starter()
    assert checked.code == 0


async def test_an_existing_file_is_kept_unless_forced(home: Home, llms: Run) -> None:
    path = home.write("mine")
    kept = await llms("config", "init")
    assert (kept.code, path.read_text()) == (2, "mine")
    assert kept.err == "providers.yaml exists and was kept. Overwrite it with --force, or name another path.\n"

    assert (await llms("config", "init", "--force")).code == 0
    assert path.read_text(encoding="utf-8") == starter()


async def test_a_folder_gets_the_file_in_it(home: Home, llms: Run) -> None:
    (home.path / "here").mkdir()
    assert (await llms("config", "init", "here")).code == 0
    assert (home.path / "here" / "providers.yaml").is_file()

    nowhere = await llms("config", "init", str(Path("no") / "where.yaml"))
    assert nowhere.code == 2
    assert nowhere.err.startswith("no/where.yaml cannot be written: No such file or directory.")
