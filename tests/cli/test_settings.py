"""The configuration in force, and the port it is served on."""

from __future__ import annotations

import os
import socket

import pytest

from llms.cli.ports import bind, free_port_near, holder_of
from llms.cli.settings import configuration, read, secrets_of
from tests.cli.conftest import ECHO, Home


@pytest.fixture(autouse=True)
def _at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.path)
    for name in ("LLMS_CONFIG", "LLMS_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home.path / "config"))


def keys_of(explicit: str | None = None) -> list[str]:
    return [key.get_secret_value() for key in read(explicit).keys.static]


def test_without_a_file_providers_are_found() -> None:
    assert read(None).discover is True
    assert keys_of() == []


def test_the_key_of_the_environment_counts_where_the_file_names_none(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMS_API_KEY", " sk-environment \n")
    assert keys_of() == ["sk-environment"]

    home.write(ECHO)
    assert keys_of() == ["sk-environment"]

    home.write(ECHO + "keys: {static: [sk-file]}\n")
    assert keys_of() == ["sk-file"]


def test_a_broken_file_ends_the_verb_with_2(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.write("server: {prot: 1}\n")
    with pytest.raises(SystemExit) as ended:
        configuration(None)

    assert ended.value.code == 2
    assert "providers.yaml:1:10: server.prot: unknown key" in capsys.readouterr().err


def test_every_secret_is_known_for_redaction(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET_TOKEN", "by-its-variable")
    home.write(
        "providers:\n"
        '  a: {type: openai_compatible, base_url: "http://127.0.0.1:9", api_key: by-its-name,'
        ' headers: {x-team: "${MY_SECRET_TOKEN}"}}\n'
        "keys: {static: [by-its-place]}\n"
    )
    environ = {"OPENAI_API_KEY": "of-the-environment", "LLMS_API_KEY": "of-ours", "HOME": "/root"}

    assert secrets_of(read(None), environ) == {
        "by-its-variable",
        "by-its-name",
        "by-its-place",
        "of-the-environment",
        "of-ours",
    }


def test_a_port_is_taken_once(capsys: pytest.CaptureFixture[str]) -> None:
    with bind("127.0.0.1", 0) as first:
        number = first.getsockname()[1]
        assert holder_of(number) == f"{comm()} (pid {os.getpid()})"
        with pytest.raises(SystemExit):
            bind("127.0.0.1", number)
        said = capsys.readouterr().err
        assert f"the port is in use by {comm()} (pid {os.getpid()}). Try --port " in said
        assert free_port_near(number) != number


def comm() -> str:
    with open(f"/proc/{os.getpid()}/comm", encoding="utf-8") as file:
        return file.read().strip()


def test_nobody_holds_a_free_port() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]

    assert holder_of(number) is None


def test_ipv6_can_be_listened_on() -> None:
    with bind("::1", 0) as sock:
        assert sock.family is socket.AF_INET6
