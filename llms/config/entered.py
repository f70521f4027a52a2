"""Keys of providers that were entered while the server ran: in memory, or in a file that only its owner can read.

The file, keys.yaml in the user's configuration directory, has one line a provider. providers.yaml is never written.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from llms.config.compose import compose
from llms.config.load import user_directory
from llms.config.names import check_provider_name
from llms.config.nodes import Entry
from llms.config.problems import ConfigError
from llms.config.report import Report
from llms.config.secret import SecretStr
from llms.config.source import checked, read
from llms.config.values import Refusal

KEYS_FILE: Final = "keys.yaml"
_KEY: Final = re.compile(r"[!-~]{8,512}", re.ASCII)
_SHOWN: Final = 4
_SHORTEST_SHOWN: Final = 16
"""Characters of a key from which on its last four may be shown: they tell keys apart and give nothing away."""
_HEAD: Final = "# Keys of providers that were entered while llms ran, one line each. Nobody else may read this file.\n"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class UnusableKeysFile(Exception):
    """The file cannot be read, or a line of it; the message quotes nothing of it."""


@final
@dataclass(frozen=True, slots=True)
class EnteredKey:
    """One key, and whether it is in the file."""

    value: SecretStr
    is_kept: bool

    @property
    def ending(self) -> str:
        """Return its last four characters; nothing of a short one."""
        text = self.value.get_secret_value()
        return text[-_SHOWN:] if len(text) >= _SHORTEST_SHOWN else ""


@final
class EnteredKeys:
    """The entered keys by provider. Changes write the file, so they block; what is read here never does."""

    def __init__(self, path: Path | None) -> None:
        """Take the place of the file, None where there is none; nothing is read yet."""
        self._path = path
        self._keys: Mapping[str, EnteredKey] = {}

    @property
    def has_file(self) -> bool:
        """Tell whether keys can be kept."""
        return self._path is not None

    @property
    def providers(self) -> Collection[str]:
        """Return the names of the providers that have a key."""
        return self._keys.keys()

    @property
    def values(self) -> set[str]:
        """Return every key, for whoever keeps secrets out of the log."""
        return {key.value.get_secret_value() for key in self._keys.values()}

    def get(self, provider: str) -> EnteredKey | None:
        """Return the key of a provider."""
        return self._keys.get(provider)

    def load(self) -> list[str]:
        """Take what the file holds now, beside the keys in memory; return what is wrong with it.

        A file that cannot be read changes nothing.
        """
        problems = ["others may read it: chmod 600 it"] if self._is_open() else []
        try:
            kept = {name: EnteredKey(SecretStr(key), is_kept=True) for name, key in self._read().items()}
        except UnusableKeysFile as problem:
            return [*problems, str(problem)]
        self._keys = {**kept, **{name: key for name, key in self._keys.items() if not key.is_kept}}
        return problems

    def put(self, provider: str, key: str, *, keep: bool) -> None:
        """Set a key, in the file with `keep`, else in memory alone; raise UnusableKeysFile or OSError."""
        if keep or self._is_kept(provider):
            self._store(provider, key if keep else None)
        self._keys = {**self._keys, provider: EnteredKey(SecretStr(key), is_kept=keep)}

    def forget(self, provider: str) -> None:
        """Drop a key, from the file as well; raise UnusableKeysFile or OSError."""
        if self._is_kept(provider):
            self._store(provider, None)
        self._keys = {name: key for name, key in self._keys.items() if name != provider}

    def _is_kept(self, provider: str) -> bool:
        key = self._keys.get(provider)
        return key is not None and key.is_kept

    def _is_open(self) -> bool:
        if self._path is None or os.name != "posix" or not os.path.exists(self._path):
            return False
        return bool(self._path.stat().st_mode & _OTHERS)

    def _store(self, provider: str, key: str | None) -> None:
        """Write one line, or take it out; what other processes wrote meanwhile stays."""
        if self._path is None:
            return
        before = self._read()
        after = {name: value for name, value in before.items() if name != provider}
        if key is not None:
            after[provider] = key
        if after != before:
            lines = (f"{json.dumps(name)}: {json.dumps(value)}\n" for name, value in after.items())
            _replace(self._path, _HEAD + "".join(lines))

    def _read(self) -> dict[str, str]:
        if self._path is None or not os.path.exists(self._path):
            return {}
        try:
            report = Report(checked(read(self._path), filename=KEYS_FILE))
            root = compose(report)
            report.raise_if_any()
        except ConfigError as error:
            raise UnusableKeysFile(_where(error.problems[0].line)) from None
        if root is None or root.value is None:
            return {}
        if not isinstance(root.value, dict):
            raise UnusableKeysFile(_where(root.line))
        return {name: _key_of(name, entry) for name, entry in root.value.items()}


def keys_file(environ: Mapping[str, str]) -> Path | None:
    """Return where entered keys are kept; None in an environment that knows no user."""
    is_somebody = any(environ.get(name) for name in ("XDG_CONFIG_HOME", "HOME", "APPDATA", "USERPROFILE"))
    return user_directory(environ) / KEYS_FILE if is_somebody else None


def is_key(text: str) -> bool:
    """Tell whether a text can be a key: 8 to 512 visible ASCII characters."""
    return _KEY.fullmatch(text) is not None


def _key_of(name: str, entry: Entry) -> str:
    value = entry.node.value
    try:
        check_provider_name(name)
    except Refusal:
        raise UnusableKeysFile(_where(entry.line)) from None
    if not isinstance(value, str) or not is_key(value):
        raise UnusableKeysFile(_where(entry.line))
    return value


def _where(line: int) -> str:
    place = f"line {line} of {KEYS_FILE}" if line else KEYS_FILE
    return f'{place} cannot be read; a line is the name of a provider and its key, both in quotes: "openai": "…"'


def _replace(path: Path, text: str) -> None:
    """Write a file anew in one step; nobody else can read it at any moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
