"""How verbs speak: results on stdout as tables or JSON, everything else on stderr in one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

_GAP: Final = "  "

Row = Sequence[str]


def fail(message: str, *, code: int = 2, lines: bool = False) -> NoReturn:
    """Complain and exit: with 1 when something failed, with 2 when the call or a file is wrong."""
    complain(message, lines=lines)
    raise SystemExit(code)


def complain(message: str, *, lines: bool = False) -> None:
    """Print a message on stderr: one line, whatever an upstream said, unless it is a report of `lines`."""
    print(printable(message, keep="\n") if lines else printable(" ".join(message.split())), file=sys.stderr)


def mute() -> None:
    """Send stdout nowhere from now on: its reader has left, and what is buffered must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_json(value: Any) -> None:
    """Print a value as indented JSON, in ASCII where stdout cannot take more."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(value, indent=2, ensure_ascii=not is_utf8))


def show_table(header: Row, rows: Sequence[Row], *, style: Callable[[Row], str] = lambda row: "") -> None:
    """Print a table: drawn by rich on a terminal, plain aligned text elsewhere.

    `style` gives the rich style of a row (`green`, `bold red`); only terminals show it.
    """
    clean = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(header, clean, [style(row) for row in rows])
        return
    widths = [max(len(cell) for cell in column) for column in zip(header, *clean, strict=True)]
    for row in (header, *clean):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(_GAP.join(cells).rstrip())


def _draw(header: Row, rows: Sequence[Row], styles: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in header:
        table.add_column(name, overflow="fold")
    for row, style in zip(rows, styles, strict=True):
        # As Text: a model id may hold [brackets], which rich would read as markup.
        table.add_row(*map(Text, row), style=style)
    Console().print(table)


def printable(text: str, *, keep: str = "") -> str:
    """Return text that cannot move the cursor or colour a terminal: what upstreams say is not ours."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else " " for c in text)
