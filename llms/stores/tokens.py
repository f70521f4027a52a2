"""Tokens of signed-in browsers by their digest: in the memory of one process, or in a folder that several share."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple, Protocol, final

_LIMIT: Final = 10_000


class Held(NamedTuple):
    """Whose a token is, and how long it counts."""

    key_id: str
    until: float
    """Monotonic seconds."""


class Tokens(Protocol):
    """Keep the newest 10,000 tokens; nobody learns one from its digest."""

    def put(self, digest: bytes, held: Held) -> None:
        """Keep a token."""

    def get(self, digest: bytes) -> Held | None:
        """Return what is known of a token; None when it is unknown."""

    def pop(self, digest: bytes) -> Held | None:
        """Forget a token and return what was known of it; of several that ask at once, one gets it."""

    def keep(self, key_ids: Collection[str]) -> None:
        """Forget the tokens of all other keys."""


@final
class MemoryTokens:
    """Those of one process."""

    def __init__(self) -> None:
        self._held: dict[bytes, Held] = {}

    def put(self, digest: bytes, held: Held) -> None:
        """Keep a token."""
        while len(self._held) >= _LIMIT:
            del self._held[next(iter(self._held))]
        self._held[digest] = held

    def get(self, digest: bytes) -> Held | None:
        """Return what is known of a token."""
        return self._held.get(digest)

    def pop(self, digest: bytes) -> Held | None:
        """Forget a token."""
        return self._held.pop(digest, None)

    def keep(self, key_ids: Collection[str]) -> None:
        """Forget the tokens of all other keys."""
        self._held = {digest: held for digest, held in self._held.items() if held.key_id in key_ids}


@final
class FolderTokens:
    """Those of several processes of one machine and user: one small file each, whose removal only one can win."""

    def __init__(self, folder: Path) -> None:
        """Take a folder, made where there is none."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder

    def put(self, digest: bytes, held: Held) -> None:
        """Keep a token."""
        files = self._files()
        for path in files[: max(0, len(files) - _LIMIT + 1)]:
            path.unlink(missing_ok=True)
        self._file(digest).write_text(f"{held.until!r} {held.key_id}", encoding="utf-8")

    def get(self, digest: bytes) -> Held | None:
        """Return what is known of a token."""
        return _read(self._file(digest))

    def pop(self, digest: bytes) -> Held | None:
        """Forget a token."""
        path = self._file(digest)
        held = _read(path)
        try:
            path.unlink()
        except FileNotFoundError:
            return None
        return held

    def keep(self, key_ids: Collection[str]) -> None:
        """Forget the tokens of all other keys."""
        for path in self._files():
            held = _read(path)
            if held is not None and held.key_id not in key_ids:
                path.unlink(missing_ok=True)

    def _file(self, digest: bytes) -> Path:
        return self._folder / digest.hex()

    def _files(self) -> list[Path]:
        """Return the files, the oldest first."""
        found: list[tuple[int, Path]] = []
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found)]


def _read(path: Path) -> Held | None:
    try:
        until, _, key_id = path.read_text(encoding="utf-8").partition(" ")
        return Held(key_id, float(until))
    except (FileNotFoundError, ValueError):
        return None


_: tuple[type[Tokens], type[Tokens]] = (MemoryTokens, FolderTokens)
