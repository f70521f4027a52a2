"""Tokens in memory and in a folder that several processes share: the same, but for who sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from llms.stores.tokens import FolderTokens, Held, MemoryTokens, Tokens

HELD = Held("key-ünusual one", 1234.5678901)


@pytest.fixture(params=["memory", "folder"])
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> Tokens:
    return MemoryTokens() if request.param == "memory" else FolderTokens(tmp_path / "tokens")


def test_what_is_put_is_there_until_it_is_popped(tokens: Tokens) -> None:
    assert tokens.get(b"1") is None
    tokens.put(b"1", HELD)
    assert tokens.get(b"1") == HELD
    assert tokens.pop(b"1") == HELD
    assert tokens.pop(b"1") is None
    assert tokens.get(b"1") is None


def test_those_of_other_keys_are_forgotten(tokens: Tokens) -> None:
    for name in (b"1", b"2", b"3"):
        tokens.put(name, Held(f"key-{name.decode()}", 1.0))
    tokens.keep({"key-2"})
    assert [tokens.get(name) is not None for name in (b"1", b"2", b"3")] == [False, True, False]


def test_the_oldest_make_room(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llms.stores.tokens._LIMIT", 3)
    for number in range(5):
        tokens.put(b"%d" % number, HELD)
    assert [tokens.get(b"%d" % number) is not None for number in range(5)] == [False, False, True, True, True]


def test_nothing_makes_room_while_there_is_room(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llms.stores.tokens._LIMIT", 10)
    for number in range(10):
        tokens.put(b"%d" % number, HELD)
    assert all(tokens.get(b"%d" % number) for number in range(10))


def test_a_folder_is_the_same_for_all_and_for_its_user_alone(tmp_path: Path) -> None:
    one, other = FolderTokens(tmp_path / "tokens"), FolderTokens(tmp_path / "tokens")
    one.put(b"1", HELD)
    assert other.get(b"1") == HELD
    assert other.pop(b"1") == HELD
    assert one.pop(b"1") is None
    assert (tmp_path / "tokens").stat().st_mode & 0o777 == 0o700


def test_a_file_that_is_no_token_opens_nothing(tmp_path: Path) -> None:
    tokens = FolderTokens(tmp_path)
    tokens.put(b"1", HELD)
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    assert tokens.get(b"1") is None
    tokens.keep(set())
    assert tokens.pop(b"1") is None
