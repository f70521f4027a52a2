"""What llama.cpp says while it works: nothing on our streams, and its complaints where they explain a failure."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_SILENT: Final = logging.CRITICAL + 1


def silence() -> None:
    """Have the bindings print nothing."""
    logging.getLogger("llama-cpp-python").setLevel(_SILENT)


@contextmanager
def complaints(native: Any) -> Iterator[list[str]]:
    """Collect the lines that speak of errors meanwhile."""
    lines: list[str] = []

    def note(level: int, text: bytes, _: object) -> None:
        # The numbers of levels have changed before.
        if b"error" in text:
            lines.append(text.decode("utf-8", "replace").strip())

    callback = native.llama_log_callback(note)
    before, data = native.llama_log_callback(), ctypes.c_void_p()
    native.llama_log_get(ctypes.byref(before), ctypes.byref(data))
    native.llama_log_set(callback, None)
    try:
        yield lines
    finally:
        native.llama_log_set(before, data)
