"""Entered keys: one file that nobody else can read at any moment, and memory; a broken file loses nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.config.entered import EnteredKeys, UnusableKeysFile, is_key, keys_file
from llms.config.load import user_directory

KEY = "sk-entered-0123456789-Qx7z"
OTHER = "sk-other-0123456789-abcd"


def opened(path: Path) -> EnteredKeys:
    """Return what a new process would know."""
    keys = EnteredKeys(path)
    assert keys.load() == []
    return keys


def key_of(keys: EnteredKeys, provider: str) -> str | None:
    found = keys.get(provider)
    return found.value.get_secret_value() if found is not None else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "keys.yaml"


def test_a_kept_key_is_known_to_the_next_process_and_one_in_memory_is_not(path: Path) -> None:
    keys = opened(path)
    keys.put("openai", KEY, keep=True)
    keys.put("groq", OTHER, keep=False)
    assert (key_of(keys, "openai"), key_of(keys, "groq")) == (KEY, OTHER)
    assert OTHER not in path.read_text()
    later = opened(path)
    assert (key_of(later, "openai"), key_of(later, "groq")) == (KEY, None)
    assert (set(later.providers), later.values) == ({"openai"}, {KEY})


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_the_file_is_readable_for_its_owner_only_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        opened(path).put("openai", KEY, keep=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["keys.yaml"]


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_no_other_name_of_the_file_is_ever_readable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        modes.append(stat.S_IMODE(os.stat(source).st_mode))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    opened(path).put("openai", KEY, keep=True)
    assert modes == [0o600]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = opened(path)
    keys.put("openai", KEY, keep=True)

    def fail(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        keys.put("openai", OTHER, keep=True)
    assert key_of(keys, "openai") == KEY
    assert os.listdir(path.parent) == ["keys.yaml"]
    monkeypatch.undo()
    assert key_of(opened(path), "openai") == KEY


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")
def test_a_file_that_others_may_read_is_told_and_closed_at_the_next_write(path: Path) -> None:
    opened(path).put("openai", KEY, keep=True)
    path.chmod(0o644)
    keys = EnteredKeys(path)
    assert keys.load() == ["others may read it: chmod 600 it"]
    assert key_of(keys, "openai") == KEY
    keys.put("groq", OTHER, keep=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_entered_for_memory_leaves_the_file(path: Path) -> None:
    keys = opened(path)
    keys.put("openai", KEY, keep=True)
    keys.put("openai", OTHER, keep=False)
    assert key_of(keys, "openai") == OTHER
    assert key_of(opened(path), "openai") is None


def test_a_forgotten_key_is_gone_everywhere(path: Path) -> None:
    keys = opened(path)
    keys.put("openai", KEY, keep=True)
    keys.put("groq", OTHER, keep=False)
    keys.forget("openai")
    keys.forget("groq")
    assert not keys.providers
    assert not opened(path).providers


def test_lines_of_other_processes_stay_and_are_known_after_loading(path: Path) -> None:
    one, other = opened(path), opened(path)
    one.put("openai", KEY, keep=True)
    other.put("groq", OTHER, keep=True)
    other.put("xai", OTHER, keep=False)
    assert set(opened(path).providers) == {"openai", "groq"}
    assert other.load() == []
    assert set(other.providers) == {"openai", "groq", "xai"}


@pytest.mark.parametrize(
    "text",
    [
        f"openai: {KEY}\n  oops",
        f"openai: *{KEY}",
        f"openai: !!python/name:{KEY} x",
        f"- {KEY}",
        f"openai: [{KEY}]",
        f"openai: {KEY}\nopenai: {OTHER}",
        "openai: 123456789012",
        "openai: short",
        f"a/b: {KEY}",
        f"{KEY}: ''",
        f"\x00{KEY}",
        f'openai: "{KEY} with blanks"',
    ],
)
def test_a_broken_file_changes_nothing_is_never_overwritten_and_never_quoted(path: Path, text: str) -> None:
    keys = opened(path)
    keys.put("openai", KEY, keep=True)
    path.write_text(text)
    path.chmod(0o600)
    [problem] = keys.load()
    assert "keys.yaml cannot be read" in problem
    assert KEY not in problem
    assert KEY[:12] not in problem
    assert key_of(keys, "openai") == KEY
    with pytest.raises(UnusableKeysFile) as refusal:
        keys.put("groq", OTHER, keep=True)
    assert KEY not in str(refusal.value)
    assert key_of(keys, "groq") is None
    assert path.read_text() == text
    keys.put("xai", OTHER, keep=False)
    assert key_of(keys, "xai") == OTHER


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    [problem] = [each for each in EnteredKeys(path).load() if "chmod" not in each]
    assert problem.startswith("keys.yaml cannot be read")


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n"])
def test_an_empty_file_holds_no_key(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    keys = opened(path)
    assert not keys.providers
    keys.put("openai", KEY, keep=True)
    assert key_of(opened(path), "openai") == KEY


def test_without_a_place_keys_are_in_memory_only() -> None:
    keys = EnteredKeys(None)
    assert keys.load() == []
    assert not keys.has_file
    keys.put("openai", KEY, keep=False)
    assert key_of(keys, "openai") == KEY
    keys.forget("openai")
    assert not keys.providers


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=512))
def test_every_key_survives_the_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assert is_key(text)
    path = tmp_path_factory.mktemp("keys") / "keys.yaml"
    opened(path).put("true", text, keep=True)
    assert key_of(opened(path), "true") == text


@pytest.mark.parametrize("text", ["", "short", "x" * 513, "with blank", "line\nbreak", "ümlaut-key", "nul\x00-key-key"])
def test_what_can_be_no_key(text: str) -> None:
    assert not is_key(text)


def test_only_the_end_of_a_long_key_is_shown() -> None:
    keys = EnteredKeys(None)
    for name, key, ending in (("a", KEY, "Qx7z"), ("b", "x" * 12 + "abcd", "abcd"), ("c", "x" * 11 + "abcd", "")):
        keys.put(name, key, keep=False)
        found = keys.get(name)
        assert found is not None
        assert found.ending == ending
        assert key not in repr(found)


def test_the_place_is_the_users_configuration_directory(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert keys_file(environ) == tmp_path / "llms" / "keys.yaml"
    assert keys_file(environ) == user_directory(environ) / "keys.yaml"
    assert keys_file({}) is None
    assert keys_file({"HOME": str(tmp_path)}) is not None
