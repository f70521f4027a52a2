"""A scripted library, loaded into a real child process: `Load.path` is a folder of orders and notes, not a file.

The file `load` in it says what loading does. The body of a chat is a list of words: most are said, some are done.
What happened stands in the file `notes`, one word a line.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llms.providers.llama_cpp.load import Load, Unloadable

LOADER = "tests.providers.llama_cpp.scripted:load"
KIBIBYTE = b"k" * 1024
_PERIOD = 0.002


class Scripted:
    """Do what bodies say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stops: dict[int, threading.Event] = {}
        self._flooded = 0
        self.facts: Mapping[str, Any] = {"library": "scripted", "n_ctx": 64}

    def chat(self, number: int, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        self._stops[number] = threading.Event()
        words = json.loads(body)
        self._note("+" + "".join(words))
        try:
            for word in words:
                do = getattr(self, f"_{word}", None)
                if do is not None:
                    do(number, on_piece)
                elif on_piece(word.encode()):
                    return
        finally:
            self._note("-" + "".join(words))
            del self._stops[number]

    def stop(self, number: int) -> None:
        self._note("stop")
        if number in self._stops:
            self._stops[number].set()

    def embed(self, body: bytes) -> bytes:
        words = json.loads(body)
        if words == ["refuse"]:
            raise ValueError("nothing to embed")
        return json.dumps(words * 100_000).encode()

    def _wait(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        """Wait for the file `go`."""
        while not (self._folder / "go").exists():
            time.sleep(_PERIOD)

    def _endless(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        while not on_piece(b"~"):
            time.sleep(_PERIOD)

    def _prompt(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        """Read a long prompt, which only `stop` can end."""
        self._stops[number].wait()

    def _flood(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        while not on_piece(KIBIBYTE):
            self._flooded += len(KIBIBYTE)

    def _flooded_bytes(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        on_piece(b"%d" % self._flooded)

    def _large(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        on_piece(b"l" * 3_000_000)

    def _deaf(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        while not (self._folder / "hear").exists():
            time.sleep(_PERIOD)

    def _freeze(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        """Keep Python's lock for a minute."""
        ctypes.PyDLL(None).sleep(60)

    def _refuse(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        raise ValueError("a bad request")

    def _fail(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        raise RuntimeError("a bad day")

    def _abort(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        _abort()

    def _segfault(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        ctypes.string_at(0)

    def _quit(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        raise SystemExit("enough")

    def _exit(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        os._exit(3)

    def _print(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        """Print as native code does, far more than a pipe holds."""
        for _ in range(1000):
            os.write(1, b"native words " * 50 + b"\n")

    def _complain(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        """Write megabytes to the standard error, the last line without an end."""
        for _ in range(1000):
            os.write(2, b"complaint\n" * 300 + b"\xff" * 4000)
        os.write(2, b"\nlast words")

    def _mute(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        """Close the pipe to the parent and go on."""
        for handle in _pipes():
            os.close(handle)
        self._stops[number].wait()

    def _garbage(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        """Write to the pipe to the parent, past all layers."""
        for handle in _pipes():
            os.write(handle, b"no message at all")
        self._stops[number].wait()

    def _modules(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        on_piece(" ".join(sys.modules).encode())

    def _environ(self, number: int, on_piece: Callable[[bytes], bool]) -> None:
        on_piece(json.dumps(dict(os.environ)).encode())

    def _note(self, word: str) -> None:
        _note(self._folder, word)


def load(wanted: Load) -> Scripted:
    """Do what the file `load` says, then be loaded."""
    folder = Path(wanted.path)
    _note(folder, f"load {os.getpid()}")
    order = folder / "load"
    word = order.read_text() if order.exists() else ""
    if word == "refuse":
        raise Unloadable("no such file")
    if word == "fail":
        raise MemoryError("none left")
    if word == "abort":
        _abort()
    if word == "freeze":
        ctypes.PyDLL(None).sleep(60)
    while word == "wait" and not (folder / "go").exists():
        time.sleep(_PERIOD)
    model = Scripted(folder)
    if word == "strange":
        model.facts = {"library": object()}
    return model


def _pipes() -> list[int]:
    """Return what leads to the parent and is neither of the three standard files nor what it is read from."""
    found = []
    for handle in range(3, 64):
        try:
            flags = fcntl.fcntl(handle, fcntl.F_GETFL)
        except OSError:
            continue
        if flags & os.O_ACCMODE == os.O_WRONLY and stat.S_ISFIFO(os.fstat(handle).st_mode):
            found.append(handle)
    return found


def _abort() -> None:
    os.write(2, b"ggml.c:7: GGML_ASSERT(n > 0) failed\n")
    os.abort()


def _note(folder: Path, word: str) -> None:
    with (folder / "notes").open("a") as notes:
        notes.write(word + "\n")
