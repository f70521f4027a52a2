"""Read and show durations (`250ms`, `10s`, `5m`, `1h`) and sizes (`512KiB`, `16MiB`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from llms.config.values import REFERENCE, Refusal, Value

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"({_NUMBER}) ?(ms|s|m|h)?", re.ASCII)
_PER_SECOND = {"ms": (1, 1000), "s": (1, 1), "m": (60, 1), "h": (3600, 1)}

_SIZE = re.compile(rf"({_NUMBER}) ?(B|KiB|MiB|GiB|TiB)?", re.ASCII)
_LOOSE_SIZE = re.compile(rf"({_NUMBER}) ?([KMGT])i?B?", re.ASCII | re.IGNORECASE)
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_LONGEST = 10.0 * 366 * 86400
_LARGEST = 2**50


@dataclass(frozen=True, slots=True)
class Duration(Value):
    """Seconds as a float, never negative; `bare` is the unit of a number that names none."""

    positive: bool = False
    bare: Literal["ms", "s"] = "s"

    def read(self, raw: object, /) -> float:
        seconds = parse_duration(raw, bare=self.bare)
        if self.positive and seconds == 0:
            raise Refusal("must be more than 0", "to wait for long, write a long time such as 24h")
        return seconds

    def schema(self) -> dict[str, Any]:
        number: dict[str, Any] = {"type": "number", "exclusiveMinimum" if self.positive else "minimum": 0}
        text = {"type": "string", "pattern": rf"^{_NUMBER} ?(ms|s|m|h)?$|{REFERENCE}"}
        return {"anyOf": [number, text]}

    def show(self, value: Any, /) -> str:
        return format_duration(value)


@dataclass(frozen=True, slots=True)
class Size(Value):
    """Bytes as an int, at least `minimum`."""

    minimum: int = 1

    def read(self, raw: object, /) -> int:
        size = parse_size(raw)
        if size < self.minimum:
            raise Refusal(f"must be at least {format_size(self.minimum)}")
        return size

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "pattern": rf"^{_NUMBER} ?(B|KiB|MiB|GiB|TiB)?$|{REFERENCE}"}
        return {"anyOf": [{"type": "integer", "minimum": self.minimum}, text]}

    def show(self, value: Any, /) -> str:
        return format_size(value)


def parse_duration(raw: object, *, bare: Literal["ms", "s"] = "s") -> float:
    """Return the seconds that `raw` stands for: `250ms`, `10s`, `5m`, `1h`, or a number in the unit `bare`.

    Raises Refusal for anything else, for negative times and for more than ten years.
    """
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        number, unit = float(raw), str(bare)
    else:
        found = _DURATION.fullmatch(raw.strip()) if isinstance(raw, str) else None
        if not found:
            raise Refusal("must be a duration", "write it like 250ms, 10s, 5m or 1h")
        number, unit = float(found[1]), found[2] or bare
    times, parts = _PER_SECOND[unit]
    seconds = number * times / parts
    if not 0 <= seconds <= _LONGEST:
        raise Refusal("must be a duration between 0 and ten years")
    return seconds


def parse_size(raw: object) -> int:
    """Return the bytes that `raw` stands for: `512KiB`, `16MiB`, or a whole number; raise Refusal."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        size = raw
    else:
        text = raw.strip() if isinstance(raw, str) else ""
        found = _SIZE.fullmatch(text)
        if not found:
            loose = _LOOSE_SIZE.fullmatch(text)
            meant = f"write {loose[1]}{loose[2].upper()}iB" if loose else "write it like 512KiB or 16MiB"
            raise Refusal("must be a size", meant)
        size = int(float(found[1]) * _BYTES[found[2] or "B"])
    if not 0 <= size <= _LARGEST:
        raise Refusal("must be a size between 0 and 1024TiB")
    return size


def format_duration(seconds: float) -> str:
    """Return the shortest text that `parse_duration` reads as `seconds`."""
    if seconds and seconds % 3600 == 0:
        return f"{seconds / 3600:.0f}h"
    if seconds and seconds % 60 == 0:
        return f"{seconds / 60:.0f}m"
    if seconds == int(seconds):
        return f"{seconds:.0f}s"
    if round(seconds * 1000) >= 1 and round(seconds * 1000) / 1000 == seconds:
        return f"{round(seconds * 1000)}ms"
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def format_size(size: int) -> str:
    """Return the shortest text that `parse_size` reads as `size`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"
