"""Tables and JSON, on terminals and in pipes."""

from __future__ import annotations

import io
import json
import sys

import pytest

from llms.cli.output import fail, printable, show_json, show_table

ROWS = [("a", "ready", "x"), ("longer", "no [/bold] markup\x1b[2J", "")]


def test_in_a_pipe_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "state", "more"), ROWS)

    assert capsys.readouterr().out.splitlines() == [
        "name    state                  more",
        "a       ready                  x",
        "longer  no [/bold] markup [2J",
    ]


def test_on_a_terminal_it_is_drawn_and_nothing_is_taken_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    show_table(("name", "state", "more"), ROWS, style=lambda row: "green" if row[1] == "ready" else "")

    assert "no [/bold] markup [2J" in screen.getvalue()
    assert "\x1b[32ma" in screen.getvalue()


def test_an_empty_table_is_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "state"), [])

    assert capsys.readouterr().out == "name  state\n"


@pytest.mark.parametrize(("encoding", "is_ascii"), [("utf-8", False), ("ascii", True), ("latin-1", True)])
def test_json_fits_the_encoding(encoding: str, is_ascii: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, write_through=True))
    show_json({"word": "größe ✓"})

    assert json.loads(raw.getvalue()) == {"word": "größe ✓"}
    assert raw.getvalue().isascii() == is_ascii


@pytest.mark.parametrize(
    ("lines", "said"), [(False, "what is wrong and where\n"), (True, "what is wrong\nand where \n")]
)
def test_a_failure_is_said_on_stderr(lines: bool, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        fail("what is wrong\nand where\x1f", code=1, lines=lines)

    assert ended.value.code == 1
    assert capsys.readouterr().err == said


def test_what_moves_a_cursor_is_blanked() -> None:
    assert printable("a\tb\nc\x1b[1m\x9b\u202e", keep="\n") == "a b\nc [1m  "
