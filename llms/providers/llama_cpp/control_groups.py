"""The control groups that this process is in: where the kernel says what a container may take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PLACE: Final = Path("sys/fs/cgroup")


def groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the groups that count for a `controller`, such as memory, of both versions.

    From the innermost to the outermost: any of them may set the limit. `root` is / but in tests.
    """
    tops = {"": root / _PLACE, controller: root / _PLACE / controller}
    inner = dict.fromkeys(tops, "/")
    for line in read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        for name in controllers.split(","):
            if name in tops:
                inner[name] = place
    for name, top in tops.items():
        group = top / inner[name].strip("/")
        yield from (folder for folder in (group, *group.parents) if folder.is_relative_to(top))


def read(path: Path) -> str:
    """Return the text of one of the kernel's files; empty when there is none."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""
