"""Names of models and their files: what a stranger's listing may bring must stay inside one folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from llms.protocol.errors import InvalidRequest, excerpt

SUFFIX: Final = ".gguf"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,119}", re.ASCII)
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Names of devices on Windows, whatever follows the first dot."""
_PART: Final = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.ASCII)
"""How llama.cpp names the files of a model that is split."""


@final
@dataclass(frozen=True, slots=True)
class Part:
    """What the name of a file says: the model, and which of its files this is."""

    name: str
    number: int = 1
    count: int = 1


def checked_name(text: str, *, hint: str = "") -> str:
    """Return the name of a model, without `.gguf`; raise InvalidRequest for one that may not be a file's name."""
    name = text[: -len(SUFFIX)] if text.lower().endswith(SUFFIX) else text
    if not is_name(name):
        raise InvalidRequest(
            f"{excerpt(text)!r} cannot be the name of a model: up to 120 letters, digits and . _ + - "
            f"that begin with a letter or digit, no device of Windows, and no part like -00001-of-00002.{hint}",
            param="name",
        )
    return name


def is_name(text: str) -> bool:
    """Tell whether a text may be the name of a model, here and on every other system, and not that of a part."""
    is_file = bool(_NAME.fullmatch(text)) and not _RESERVED.fullmatch(text) and not text.endswith(".")
    return is_file and part_of(text + SUFFIX).name == text


def checked_path(path: str) -> str:
    """Return the path of a file in a repository; raise InvalidRequest for one that leads out of any folder."""
    steps = path.split("/")
    if not path.isprintable() or "\\" in path or any(step in ("", ".", "..") for step in steps) or ":" in steps[0]:
        raise InvalidRequest(f"The repository names a file {excerpt(path)!r}, which is refused.", param="source")
    return path


def part_of(file_name: str) -> Part:
    """Read the name of a GGUF file: `a-00002-of-00003.gguf` is the second of three."""
    stem = file_name[: -len(SUFFIX)]
    found = _PART.fullmatch(stem)
    if found is None or not int(found["count"]):
        return Part(stem)
    return Part(found["name"], int(found["number"]), int(found["count"]))


def file_names(name: str, count: int) -> tuple[str, ...]:
    """Return how the files of a model are called, the one that is to be loaded first."""
    if count == 1:
        return (name + SUFFIX,)
    return tuple(f"{name}-{number:05}-of-{count:05}{SUFFIX}" for number in range(1, count + 1))
