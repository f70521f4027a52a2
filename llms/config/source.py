"""Read the text of a configuration file, and refuse what cannot be YAML before any parser sees it."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from llms.config.problems import ConfigError, Problem

MAX_BYTES = 2**20
"""A configuration of ten thousand rows is smaller; more is a file given by mistake."""

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file: printable characters only, without a byte order mark."""

    filename: str
    text: str
    lines: tuple[str, ...]


def read(path: Path) -> str:
    """Return the text of the file; raise ConfigError when it cannot be read or is not UTF-8."""
    try:
        raw = _read_bytes(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, f"cannot be read: {reason}") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _undecodable(path, raw, error) from None


def checked(text: str, *, filename: str) -> Source:
    """Return the text as a Source; raise ConfigError when it is too large or holds control characters."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        raise _too_large(filename)
    found = _UNPRINTABLE.search(text)
    source = Source(filename, text, tuple(_BREAK.split(text)))
    if found:
        raise _unprintable(source, found.start())
    return source


def _read_bytes(path: Path) -> bytes:
    """Read a regular file only: a pipe or a device could block for ever."""
    if path.is_dir():
        raise _unreadable(path, "is a directory", "name the file in it")
    with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _unreadable(path, "is not a regular file", "copy it into a file first")
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise _too_large(str(path))
    return raw


def _unreadable(path: Path, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError([Problem(0, 0, "", message, hint, "")], filename=str(path))


def _too_large(filename: str) -> ConfigError:
    problem = Problem(0, 0, "", "is larger than 1 MiB", "check that it is the right file", "")
    return ConfigError([problem], filename=filename)


def _undecodable(path: Path, raw: bytes, error: UnicodeDecodeError) -> ConfigError:
    before = raw[: error.start].decode("utf-8", errors="replace")
    lines = _BREAK.split(before)
    hint = "save the file as UTF-8"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        hint = "this looks like UTF-16: save the file as UTF-8"
    problem = Problem(len(lines), len(lines[-1]) + 1, "", "is not UTF-8 here", hint, lines[-1][-80:] + "�")
    return ConfigError([problem], filename=str(path))


def _unprintable(source: Source, position: int) -> ConfigError:
    lines = _BREAK.split(source.text[:position])
    code = ord(source.text[position])
    name = "a NUL byte" if code == 0 else f"the control character U+{code:04X}"
    message, hint = f"{name} cannot stand here", "remove it; is this a text file?"
    problem = Problem(len(lines), len(lines[-1]) + 1, "", message, hint, lines[-1][-80:])
    return ConfigError([problem], filename=source.filename)
