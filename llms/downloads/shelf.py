"""The folder of downloaded models."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from llms.downloads.claim import Claim, claimed
from llms.downloads.names import SUFFIX, Part, checked_name, file_names, is_name, part_of

_UNFINISHED: Final = ".part"


@final
@dataclass(frozen=True, slots=True)
class Stored:
    """One model of the folder."""

    name: str
    files: tuple[Path, ...]
    """The one that is to be loaded first."""
    size: int
    """Bytes of all files."""


@final
class Shelf:
    """What lies in `models` below the data directory; claims and notes of pulls lie in `pulls`."""

    def __init__(self, data_dir: Path) -> None:
        """Touch nothing before it is needed."""
        self.folder = data_dir / "models"
        self.pulls = data_dir / "pulls"

    def models(self) -> list[Stored]:
        """Return the models that are whole, by name; links and hidden files are none."""
        seen = {(part.name, part.count) for _, part in self._files() if is_name(part.name)}
        return [stored for name, count in sorted(seen) if (stored := self._stored(name, count)) is not None]

    def find(self, name: str) -> Stored | None:
        """Return a model by its name, in whatever letters; None when it is not here."""
        alike = [stored for stored in self.models() if stored.name.lower() == name.lower()]
        return next((stored for stored in alike if stored.name == name), alike[0] if alike else None)

    def files(self, name: str) -> list[Path]:
        """Return all files of a model, in whatever letters its name is, and those of interrupted pulls."""
        stored = self.find(name)
        own = stored.name if stored is not None else name
        return [path for path, part in self._files() if part.name == own]

    def paths(self, name: str, count: int) -> tuple[Path, ...]:
        """Return where the files of a model belong; raise InvalidRequest for a name that cannot be one."""
        return tuple(self.folder / file for file in file_names(checked_name(name), count))

    def claim(self, name: str) -> AbstractContextManager[Claim]:
        """Hold a model against every other pull and removal; raise Conflict when it is held."""
        return claimed(self.pulls, checked_name(name))

    def remove(self, name: str) -> int:
        """Delete a model and what interrupted pulls left of it; return how many files that were.

        Raise Conflict while it is being pulled, InvalidRequest for a name that cannot be one.
        """
        stored = self.find(name)
        own = stored.name if stored is not None else checked_name(name)
        with self.claim(own) as claim:
            paths = self.files(own)
            for path in paths:
                path.unlink(missing_ok=True)
                claim.forget(path.name.removesuffix(_UNFINISHED))
            return len(paths)

    def _stored(self, name: str, count: int) -> Stored | None:
        paths = self.paths(name, count)
        if not all(path.is_file() and not path.is_symlink() for path in paths):
            return None
        return Stored(name, paths, sum(path.stat().st_size for path in paths))

    def _files(self) -> list[tuple[Path, Part]]:
        """Return every file that is or becomes a model's, in the order of the names."""
        if not self.folder.is_dir():
            return []
        names = sorted(path.name for path in self.folder.iterdir() if path.is_symlink() or path.is_file())
        fit = [name for name in names if name.removesuffix(_UNFINISHED).endswith(SUFFIX) and not name.startswith(".")]
        return [(self.folder / name, part_of(name.removesuffix(_UNFINISHED))) for name in fit]
