"""How far a pull is: a bar on a terminal, elsewhere a line for every tenth."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO, final

from llms.downloads.progress import Progress, Report
from llms.downloads.room import in_words

_WORDS: Final = {"listing": "looking", "downloading": "fetching", "verifying": "checking"}
_STEP: Final = 100_000_000
"""Bytes between two lines where nobody knows how many there will be."""


@contextmanager
def pull_progress() -> Iterator[Report]:
    """Yield what takes reports and shows them on stderr."""
    if not sys.stderr.isatty():
        yield Lines(sys.stderr).show
        return
    from rich.console import Console

    with _bar(Console(stderr=True)) as bar:
        task = bar.add_task(_WORDS["listing"], total=None)

        def show(progress: Progress) -> None:
            words = _WORDS[progress.status]
            bar.update(task, description=words, completed=progress.completed, total=progress.total)

        yield show


def _bar(console: Any) -> Any:
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    words = TextColumn("{task.description}")
    return Bar(
        words,
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


@final
class Lines:
    """Write plain lines, few of them."""

    def __init__(self, out: TextIO) -> None:
        """Write to `out`."""
        self._out = out
        self._told: tuple[str, int] = ("", 0)

    def show(self, progress: Progress) -> None:
        """Write a line when another tenth is there, and one when all is being checked."""
        step = _step(progress) if progress.status == "downloading" else 0
        if progress.status == "listing" or self._told == (progress.status, step):
            return
        self._told = progress.status, step
        total = in_words(progress.total or progress.completed)
        share = f"{step * 10} % of {total}" if progress.status == "downloading" and progress.total else total
        print(f"{_WORDS[progress.status]}: {share}", file=self._out, flush=True)


def _step(progress: Progress) -> int:
    return progress.completed * 10 // progress.total if progress.total else progress.completed // _STEP
