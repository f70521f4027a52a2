"""Every failure is one line and an exit code."""

from __future__ import annotations

import click
import pytest

from llms.cli.boundary import outcome


def raising(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SystemExit(3), 3),
        (SystemExit(None), 0),
        (SystemExit("words"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("wrong"), 2),
        (click.ClickException("broken"), 1),
        (OSError(28, "No space left on device"), 1),
        (RuntimeError("nobody foresaw this"), 1),
    ],
)
def test_each_end_has_its_code(error: BaseException, code: int) -> None:
    assert outcome(lambda: raising(error)) == code


def test_what_a_command_returns_is_its_code() -> None:
    assert outcome(lambda: 0) == 0
    assert outcome(lambda: 2) == 2
    assert outcome(lambda: None) == 0


def test_a_defect_is_one_line_that_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    outcome(lambda: raising(RuntimeError("two\nlines")))

    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "RuntimeError: two lines" in said
    assert "test_boundary.py:" in said
    assert "LLMS_DEBUG=1" in said


def test_a_defect_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    outcome(lambda: raising(ValueError("sent Bearer abcdef0123456789 to https://me:pw12345@host/v1")))

    said = capsys.readouterr().err
    assert "abcdef0123456789" not in said
    assert "pw12345" not in said


def test_a_failure_of_the_system_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    outcome(lambda: raising(PermissionError(13, "Permission denied", "/some/file")))

    assert capsys.readouterr().err == "/some/file: Permission denied.\n"


def test_a_developer_gets_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMS_DEBUG", "1")

    with pytest.raises(RuntimeError, match="why"):
        outcome(lambda: raising(RuntimeError("why")))
