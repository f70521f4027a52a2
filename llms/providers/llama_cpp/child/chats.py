"""The chats of the child: each at work in a thread, stopped when asked, and held back while its reader is slow."""

from __future__ import annotations

import json
import threading
from typing import Final, final

from llms.providers.llama_cpp.child.link import Link
from llms.providers.llama_cpp.child.loaded import Loaded
from llms.providers.llama_cpp.frames import EMBED, END, PIECE, WINDOW

_LARGEST_PIECE: Final = 2**16
"""Bytes of an embedding that go in one message."""


@final
class Chat:
    """One chat, or the embedding of some texts."""

    def __init__(self, kind: int, number: int, body: bytes, link: Link) -> None:
        """Take what to do and where the pieces go."""
        self.number = number
        self._kind = kind
        self._body = body
        self._link = link
        self._changed = threading.Condition(threading.Lock())
        self._untaken = 0
        self._stopped = False

    def run(self, loaded: Loaded) -> None:
        """Do it and say that it is over; whatever the library raises is the parent's to tell."""
        outcome = b""
        try:
            if self._stopped:
                pass
            elif self._kind == EMBED:
                self._cut(loaded.embed(self._body))
            else:
                loaded.chat(self.number, self._body, self._piece)
        except Exception as failure:
            kind = "ValueError" if isinstance(failure, ValueError) else type(failure).__name__
            outcome = json.dumps({"kind": kind, "message": str(failure)}).encode()
        self._link.send(END, self.number, outcome)

    def stop(self) -> None:
        """Ask for an end at the next piece, also of one that waits for its reader."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def taken(self, count: int) -> None:
        """Note that so many bytes were read."""
        with self._changed:
            self._untaken -= count
            self._changed.notify()

    def _cut(self, answer: bytes) -> None:
        """Send a long answer in pieces that the parent can take."""
        for start in range(0, len(answer), _LARGEST_PIECE):
            if self._piece(answer[start : start + _LARGEST_PIECE]):
                return

    def _piece(self, piece: bytes) -> bool:
        """Send a piece as soon as there is room; return True when the chat shall stop."""
        with self._changed:
            while self._untaken >= WINDOW and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return True
            self._untaken += len(piece)
        self._link.send(PIECE, self.number, piece)
        return False
