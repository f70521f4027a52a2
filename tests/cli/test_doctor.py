"""`llms doctor`: each fault is found and comes with its fix."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import llms as package
from llms.cli.doctor_installation import foreign_command, foreign_modules, installation
from llms.cli.doctor_machine import clock, data, open_files, port
from llms.cli.doctor_setup import broken_keys, keys
from tests.cli.conftest import ECHO, Home, Run, Serve

OURS = "#!/usr/bin/python3\nfrom llms.__main__ import main\nmain()\n"
FOREIGN = "#!/usr/bin/python3\nfrom llms.main import main\nmain()\n"


def script(folder: Path, text: str) -> Path:
    folder.mkdir()
    path = folder / "llms"
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def by_subject(out: str) -> dict[str, dict[str, Any]]:
    return {each["subject"]: each for each in json.loads(out)}


async def test_a_sound_setup(home: Home, llms: Run) -> None:
    number = free_port()
    home.write(ECHO + f"server: {{port: {number}}}\n")
    ran = await llms("doctor", "--json", OPENAI_API_KEY="sk-planted-0123456789")
    table = await llms("doctor")

    found = by_subject(ran.out)
    assert ran.code == 0
    for subject in ("python", "llms", "packages", "configuration", "keys", f"port {number}", "data directory", "clock"):
        assert found[subject]["level"] == "ok", found[subject]
    assert "aiohttp 3" in found["packages"]["text"]
    assert found["keys"]["text"] == "OPENAI_API_KEY"
    assert all(bool(each["fix"]) == (each["level"] != "ok") for each in found.values())
    assert "sk-planted" not in ran.out + ran.err
    assert len(table.out.splitlines()) >= len(found)
    assert table.code == 0


async def test_a_broken_file_and_a_held_port_fail(home: Home, llms: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        home.write(f"server: {{port: {number}}}\n")
        held = await llms("doctor", "--json")
    home.write("providers:\n  a: {type: ecko}\n  b: {type: echo, dellay: 1}\n")
    broken = await llms("doctor", "--json")

    holder = by_subject(held.out)[f"port {number}"]
    assert held.code == 1
    assert (holder["level"], f"(pid {os.getpid()})" in holder["text"]) == ("fail", True)
    assert "llms serve --port " in holder["fix"]
    problems = [each for each in json.loads(broken.out) if each["subject"] == "configuration"]
    assert broken.code == 1
    assert [each["level"] for each in problems] == ["fail", "fail"]
    assert "providers.yaml:2:13" in problems[0]["text"]


async def test_our_own_server_may_hold_the_port(home: Home, serve: Serve, llms: Run) -> None:
    home.write(ECHO)
    async with serve() as server:
        number = int(server.url.rpartition(":")[2])
        home.write(ECHO + f"server: {{port: {number}}}\n", "other.yaml")
        ran = await llms("doctor", "--json", "--config", "other.yaml")

    assert by_subject(ran.out)[f"port {number}"]["text"] == "llms is running there"


async def test_a_row_without_its_key_is_a_warning(home: Home, llms: Run) -> None:
    home.write('providers:\n  o: {type: openai, api_key: "${MY_KEY}"}\n' + f"server: {{port: {free_port()}}}\n")
    ran = await llms("doctor", "--json")

    assert any(each["level"] == "warn" and "needs MY_KEY" in each["text"] for each in json.loads(ran.out))
    assert ran.code == 0


def test_an_address_of_another_machine() -> None:
    found = port("192.0.2.1", free_port())

    assert (found.level, found.fix) == ("fail", "Use another --host or --port.")


def test_keys_are_named_and_not_shown() -> None:
    assert keys({"GROQ_API_KEY": "sk-planted", "LLMS_API_KEY": "x"}).text == "LLMS_API_KEY, GROQ_API_KEY"
    assert keys({}).level == "warn"


@pytest.mark.parametrize("value", ['"sk-0123"', "sk-0123\n", " sk-0123", "sk 0123", "'sk-0123'"])
def test_a_key_that_was_copied_badly(value: str) -> None:
    (found,) = broken_keys({"OPENAI_API_KEY": value, "GROQ_API_KEY": "sk-fine-0123_-"})

    assert (found.subject, found.level) == ("OPENAI_API_KEY", "fail")
    assert "0123" not in found.text + found.fix


def test_a_data_directory_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert data(tmp_path).level == "ok"
    assert data(tmp_path / "not" / "there").text.endswith("(made when it is needed)")
    assert not (tmp_path / "not").exists()
    assert data(tmp_path / "file" / "below").level == "fail"

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert data(tmp_path).text == f"{tmp_path} is not writable: Permission denied"


@pytest.mark.parametrize(("limit", "level"), [(64, "fail"), (1024, "warn"), (4096, "ok"), (-1, "ok")])
def test_few_open_files(limit: int, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    assert open_files().level == level


def test_a_clock_that_is_behind() -> None:
    assert clock(1_000_000_000.0, installed=1_700_000_000.0).level == "fail"
    assert clock(1_700_000_100.0, installed=1_700_000_000.0).level == "ok"
    assert clock(1_699_999_999.0, installed=1_700_000_000.0).level == "ok"


def test_whose_command_a_shell_runs(tmp_path: Path) -> None:
    own = script(tmp_path / "own", OURS)
    other = script(tmp_path / "other", OURS)
    foreign = script(tmp_path / "foreign", FOREIGN)
    empty = tmp_path / "empty"
    empty.mkdir()

    def level(*folders: Path) -> str:
        return foreign_command(os.pathsep.join(map(str, folders)), own).level

    assert level(empty, own, foreign) == "ok"
    assert level(foreign, own) == "fail"
    assert level(other, own) == "warn"
    assert level(empty) == "warn"
    assert f"before {foreign} in PATH" in foreign_command(str(foreign), own).fix


def test_another_module_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path(package.__file__).parent
    assert list(foreign_modules(own, [str(own.parent)])) == []

    (tmp_path / "llms").mkdir()
    (tmp_path / "llms" / "__init__.py").touch()
    (folder,) = foreign_modules(own, [str(own.parent), str(tmp_path)])
    assert (folder.level, str(tmp_path) in folder.text) == ("warn", True)

    with distribution(tmp_path, monkeypatch):
        rivals = [each for each in foreign_modules(own, []) if each.level == "fail"]
    assert [each.fix for each in rivals] == ["pip uninstall other-llms"]


def test_what_the_package_requires_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "llms-1.0.dist-info"
    info.mkdir()
    rows = ("click>=8.2", "surely-not.there<4,>=3", "at_no-time; sys_platform != 'win32'", "never>=1; extra == 'local'")
    needs = "".join(f"Requires-Dist: {row}\n" for row in rows)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: llms\nVersion: 1.0\n{needs}")
    monkeypatch.syspath_prepend(tmp_path)

    (found,) = (each for each in installation({}) if each.subject == "packages")
    assert (found.level, found.text) == ("fail", "missing: surely-not.there")
    assert found.fix == "pip install surely-not.there"


@contextmanager
def distribution(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a package installed that provides a module `llms` as well."""
    info = folder / "other_llms-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-llms\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("llms\n")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "path", [str(folder), *sys.path])
        yield
