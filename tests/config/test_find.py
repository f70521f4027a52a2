"""Which file is loaded: the named one, that of the working directory, that of the user."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llms.config.load import find


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's configuration directory with a file of ours in it."""
    (tmp_path / "config" / "llms").mkdir(parents=True)
    (tmp_path / "config" / "llms" / "providers.yaml").touch()
    return tmp_path / "config"


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "providers.yaml").touch()
    return tmp_path / "work"


def test_what_was_named_comes_first(home: Path, cwd: Path) -> None:
    environ = {"LLMS_CONFIG": "/other.yaml", "XDG_CONFIG_HOME": str(home)}
    assert find("/named.yaml", environ=environ, cwd=cwd) == Path("/named.yaml")


def test_then_the_variable_even_if_its_file_is_not_there(home: Path, cwd: Path) -> None:
    environ = {"LLMS_CONFIG": "other.yaml", "XDG_CONFIG_HOME": str(home)}
    assert find(None, environ=environ, cwd=cwd) == cwd / "other.yaml"


def test_an_empty_variable_is_none(home: Path, cwd: Path) -> None:
    environ = {"LLMS_CONFIG": "", "XDG_CONFIG_HOME": str(home)}
    assert find(None, environ=environ, cwd=cwd) == cwd / "providers.yaml"


def test_then_the_working_directory_then_the_user(home: Path, cwd: Path, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(home)}
    assert find(None, environ=environ, cwd=cwd) == cwd / "providers.yaml"
    assert find(None, environ=environ, cwd=tmp_path) == home / "llms" / "providers.yaml"


def test_a_home_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    assert find("~nobody-at-all/x.yaml", environ={}, cwd=tmp_path) == tmp_path / "~nobody-at-all" / "x.yaml"


def test_no_file_is_none(tmp_path: Path) -> None:
    assert find(None, environ={"XDG_CONFIG_HOME": str(tmp_path)}, cwd=tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the place differs")
def test_the_usual_place_is_used_where_no_variable_names_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / ".config" / "llms").mkdir(parents=True)
    (tmp_path / ".config" / "llms" / "providers.yaml").touch()
    expected = tmp_path / ".config" / "llms" / "providers.yaml"
    assert find(None, environ={}, cwd=tmp_path) == expected


def test_a_short_name_stays_short() -> None:
    assert find("my.yaml", environ={}, cwd=Path()) == Path("my.yaml")
