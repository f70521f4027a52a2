"""What answers are written on: plain text as it arrives, or markdown drawn on a terminal."""

from __future__ import annotations

import os
import re
import sys
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO, final

from llms.cli.output import printable

_FRAMES: Final = 12
"""Times a second that the block under way is drawn anew."""
_MARGIN: Final = 3
"""Lines of a terminal that the block under way leaves free."""
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM: Final = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?:\s|$)")
_ENOUGH: Final = 12
"""Characters by which a line shows whether it is an item of a list."""


class Paper(Protocol):
    """Takes an answer piece by piece; leaving it ends the last line."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def write(self, text: str) -> None:
        """Show more of the answer."""
        ...

    def think(self, text: str) -> None:
        """Show more of the thoughts before it, or don't."""
        ...


def paper() -> Paper:
    """Return markdown for terminals that can draw, plain text for anything else."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Drawn()
    return Plain(sys.stdout)


@final
class Plain:
    """The text as it is, at once; no thoughts."""

    def __init__(self, out: TextIO) -> None:
        """Write to `out`."""
        self._out = out
        self._last = "\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last != "\n":
            self._out.write("\n")
        self._out.flush()

    def write(self, text: str) -> None:
        """Write and flush; on a terminal nothing may move the cursor."""
        if text:
            self._out.write(printable(text, keep="\n\t") if self._out.isatty() else text)
            self._out.flush()
            self._last = text[-1]

    def think(self, text: str) -> None:
        """Leave it out: pipes want the answer alone."""


@final
class Drawn:
    """Markdown: whole blocks stay on the screen, the one under way is drawn again and again."""

    def __init__(self) -> None:
        """Write to the terminal behind stdout."""
        from rich.console import Console
        from rich.live import Live

        self._pending = ""
        self._thinks = False
        self._console = Console()
        self._live = Live(
            console=self._console,
            get_renderable=self._under_way,
            refresh_per_second=_FRAMES,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        rest, self._pending = self._pending, ""
        self._live.stop()
        if rest.strip():
            self._console.print(_dim(rest) if self._thinks else _markdown(rest))

    def write(self, text: str) -> None:
        """Draw more of the answer."""
        if self._thinks:
            self._console.print(_dim(self._pending.strip()), "")
            self._pending, self._thinks = "", False
        self._pending += printable(text, keep="\n\t")
        end = settled(self._pending) if "\n" in text else 0
        if end:
            whole, self._pending = self._pending[:end], self._pending[end:]
            self._console.print(_markdown(whole), "")

    def think(self, text: str) -> None:
        """Draw the thoughts dimly; they stand before the answer."""
        if self._pending and not self._thinks:
            return
        self._thinks = True
        self._pending += printable(text, keep="\n\t")

    def _under_way(self) -> Any:
        """Return what is drawn some times a second, however fast the pieces come."""
        return _dim(self._tail()) if self._thinks else _markdown(self._tail())

    def _tail(self) -> str:
        """Return what of the block under way fits on the screen."""
        lines = self._pending.split("\n")
        room = max(1, self._console.height - _MARGIN)
        if len(lines) <= room:
            return self._pending
        opening = [lines[0]] if lines[0].lstrip().startswith(("```", "~~~")) else []
        return "\n".join([*opening, *lines[-room:]])


def settled(text: str) -> int:
    """Return how many characters of a growing markdown text are whole blocks, whatever may follow.

    A block ends at a blank line outside of a fence, when the line after it is known to begin another: it is not
    indented, and no item of the same list.
    """
    cut = offset = 0
    fence = ""
    is_blank = is_list = False
    for line in text.split("\n"):
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif not line.strip():
            is_blank = True
        else:
            is_item = bool(_ITEM.match(line))
            if is_blank and _is_known(line, offset, text) and not (line[0].isspace() or (is_list and is_item)):
                cut = offset
            if cut == offset:
                is_list = is_item
            is_blank = False
            found = _FENCE.match(line)
            fence = found[1] if found else ""
        offset += len(line) + 1
    return cut


def _is_known(line: str, offset: int, text: str) -> bool:
    """Tell whether enough of a line is there to say how it begins."""
    return len(line) >= _ENOUGH or offset + len(line) < len(text)


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip()
    return stripped.startswith(fence) and not stripped.strip(fence[0])


def _markdown(text: str) -> Any:
    from rich.markdown import Markdown

    # Links with their address in sight: a text of its own must not hide where it leads.
    return Markdown(text, hyperlinks=False)


def _dim(text: str) -> Any:
    from rich.text import Text

    return Text(text, style="dim italic")
