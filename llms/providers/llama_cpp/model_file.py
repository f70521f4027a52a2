"""The file of a model: where it is, and whether llama.cpp can read its kind."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib import resources
from pathlib import Path
from typing import Final

from llms.providers.llama_cpp.load import EMBEDDED, Unloadable

_MAGIC: Final = b"GGUF"


def model_file(path: str) -> AbstractContextManager[Path]:
    """Hold a model's file, which is unpacked for so long where the package is an archive."""
    if path == EMBEDDED:
        return resources.as_file(resources.files("llms").joinpath("models", "demo.gguf"))
    return nullcontext(Path(path).expanduser())


def check_file(path: Path) -> None:
    """Raise Unloadable for a file that no library can load: they say only that they failed."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as failure:
        raise Unloadable(f"cannot read the model file {path}: {failure.strerror}; mend `path` in its row") from None
    if magic != _MAGIC:
        raise Unloadable(f"{path} is no GGUF file; llama.cpp reads only those")
