"""The model files of a folder, and the names under which they are offered."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count as count_from
from pathlib import Path
from typing import Final

_ENDING: Final = ".gguf"
_PART: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.ASCII)
_PROJECTOR: Final = "mmproj"
"""Begins the names of files that belong to another model: what lets it see."""
_UNUSUAL: Final = re.compile(r"[^\w.:+@-]+")
_DEPTH: Final = 4
"""Folders below folders that are looked into."""
_MOST_ENTRIES: Final = 20_000
_MOST_MODELS: Final = 1_000
_MOST_PARTS: Final = 512


def scan(folder: Path) -> dict[str, Path]:
    """Return the model files in and below a folder by model id, in the order of the ids.

    A split model is its first part. Hidden names are left out, and links that lead out of the folder; so is what a
    folder holds beyond any use (20,000 entries, 1,000 models). Raises OSError when the folder cannot be read.
    """
    top = folder.expanduser().resolve()
    found = sorted({_first(path) for path in _walk(top)})[:_MOST_MODELS]
    return dict(sorted(_named(top, found).items()))


def parts_of(path: Path) -> tuple[Path, ...]:
    """Return all files of a model by its first: the parts that its name counts, whether they are there or not."""
    split = _PART.fullmatch(path.stem)
    if split is None or not 1 <= int(split["count"]) <= _MOST_PARTS:
        return (path,)
    names = (f"{split['stem']}-{number:05}-of-{split['count']}" for number in range(1, int(split["count"]) + 1))
    return tuple(path.with_name(name + path.suffix) for name in names)


def _walk(top: Path) -> Iterator[Path]:
    """Yield model files, the folders near the top first."""
    folders, entries = [(top, 0)], 0
    for folder, depth in folders:
        try:
            listed = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            if folder == top:
                raise
            continue
        for entry in listed:
            entries += 1
            if entries > _MOST_ENTRIES:
                return
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False) and depth < _DEPTH:
                folders.append((Path(entry.path), depth + 1))
            elif _is_model(entry, top):
                yield Path(entry.path)


def _is_model(entry: os.DirEntry[str], top: Path) -> bool:
    name = entry.name.lower()
    if not name.endswith(_ENDING) or name.startswith(_PROJECTOR):
        return False
    try:
        inside = not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(top)
        return inside and entry.is_file()
    except (OSError, RuntimeError):
        return False


def _first(path: Path) -> Path:
    return parts_of(path)[0]


def _named(top: Path, paths: Sequence[Path]) -> Mapping[str, Path]:
    """Name each file by its stem; those of the same name get their folder's, their own letters, or a number."""
    named: dict[str, Path] = {}
    left = list(paths)
    for candidate in (_stem, _with_folder, _as_written, _whole):
        names = [candidate(top, path) for path in left]
        times = Counter(names)
        free = [times[name] == 1 and name not in named for name in names]
        named.update((name, path) for name, path, is_free in zip(names, left, free, strict=True) if is_free)
        left = [path for path, is_free in zip(left, free, strict=True) if not is_free]
    for path in left:
        name = next(name for number in count_from(2) if (name := f"{_stem(top, path)}-{number}") not in named)
        named[name] = path
    return named


def _stem(top: Path, path: Path) -> str:
    split = _PART.fullmatch(path.stem)
    return _plain(split["stem"] if split else path.stem).lower()


def _with_folder(top: Path, path: Path) -> str:
    return "/".join([*(_plain(part).lower() for part in path.relative_to(top).parent.parts), _stem(top, path)])


def _as_written(top: Path, path: Path) -> str:
    return "/".join(_plain(part) for part in path.relative_to(top).with_suffix("").parts)


def _whole(top: Path, path: Path) -> str:
    return "/".join(_plain(part) for part in path.relative_to(top).parts)


def _plain(name: str) -> str:
    """Return a file's name as a model id can have it: no blanks, nothing that cannot be printed."""
    return _UNUSUAL.sub("-", name)
