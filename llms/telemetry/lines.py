"""One log event as one line: JSON for machines, colours for eyes; no secret gets in and no value breaks out."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, final

import orjson

from llms.config.masking import MASK
from llms.telemetry.redact import Redactor, sensitive_among, without_secrets

Fields = MutableMapping[str, Any]
"""What one event tells; `event` is its text, `exc_info` an exception as logging knows it."""

Renderer = Callable[[object, str, Fields], bytes]
"""(logger, level, fields) to one line without its line break: the last processor of structlog."""

_LONGEST_LINE: Final = 64 * 1024
_LONGEST_TEXT: Final = 4_000
_LONGEST_TRACEBACK: Final = 16_000
_WITH_TRACEBACK: Final = frozenset({"error", "critical"})
_SIMPLE: Final = (float, bool, type(None), datetime)
_JSON: Final = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
_COLOURS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}
_DIM, _BOLD, _CYAN, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m"


@final
class JsonLine:
    """Render one JSON object: time (UTC), level, event, then the fields in their order."""

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor.json

    def __call__(self, _logger: object, level: str, fields: Fields) -> bytes:
        _clean(fields, level)
        event = fields.pop("event", "")
        ordered = {"time": datetime.now(UTC), "level": level, "event": event, **fields}
        line = _encode(ordered)
        if line.find(b"{", 1) > 0 or b"[" in line:
            line = _encode(without_secrets(ordered))
        if len(line) > _LONGEST_LINE:
            line = _encode({name: _clipped(value) for name, value in ordered.items()})
        line = self._redact(line)
        if line.isascii() and b"\x7f" not in line:
            return line
        return _printable(line.decode()).encode()


@final
class PrettyLine:
    """Render time of day, level, event and the fields that tell something; a traceback stands indented below."""

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor.text

    def __call__(self, _logger: object, level: str, fields: Fields) -> bytes:
        _clean(fields, level)
        event = _printable(self._redact(_text(fields.pop("event", ""))))
        below = [_printable(line) for line in self._redact(fields.pop("exception", "")).splitlines()]
        shown = (
            f"{_CYAN}{_printable(name)}{_RESET}={self._word(value)}"
            for name, value in fields.items()
            if value is not None and value != ""
        )
        head = f"{_DIM}{datetime.now():%H:%M:%S}{_RESET} {_COLOURS.get(level, '')}{level:<8}{_RESET}"
        line = " ".join([f"{head} {_BOLD}{event}{_RESET}", *shown])
        return "\n    ".join([line, *below]).encode()

    def _word(self, value: Any) -> str:
        """Return a value so that its end is visible: text with blanks, quotes or equal signs is quoted."""
        text = _printable(self._redact(_clipped(_text(without_secrets(value)))))
        if isinstance(value, str) and any(c in text for c in " =\"'"):
            return '"' + text.replace('"', '\\"') + '"'
        return text


def _clean(fields: Fields, level: str) -> None:
    """Replace, in place, an exception by its text and whatever has the name of a secret by the mask."""
    if "exc_info" in fields:
        _tell_exception(fields, level)
    for name in sensitive_among(tuple(fields)):
        fields[name] = MASK


def _tell_exception(fields: Fields, level: str) -> None:
    given = fields.pop("exc_info")
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        return
    if level in _WITH_TRACEBACK:
        fields["exception"] = "".join(traceback.format_exception(error)).rstrip()[-_LONGEST_TRACEBACK:]
    else:
        fields["error"] = traceback.format_exception_only(error)[-1].rstrip()


def _encode(fields: Fields) -> bytes:
    try:
        return orjson.dumps(fields, default=_shown, option=_JSON)
    except TypeError:
        return orjson.dumps({_encodable(name): _plain(value) for name, value in fields.items()}, option=_JSON)


def _shown(value: object) -> object:
    """Return what stands for an object that JSON doesn't know."""
    return without_secrets(value) if isinstance(value, (Mapping, set, frozenset)) else repr(value)


def _plain(value: Any) -> Any:
    """Return what orjson takes in any case; it refuses lone surrogates and integers over 64 bits."""
    if isinstance(value, str):
        return _encodable(value)
    fits = isinstance(value, _SIMPLE) or (isinstance(value, int) and value.bit_length() < 64)
    return value if fits else ascii(without_secrets(value))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _clipped(value: Any) -> Any:
    if isinstance(value, _SIMPLE):
        return value
    text = _text(without_secrets(value))
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _printable(text: str) -> str:
    """Escape line breaks of every kind, control characters and invisible ones the way JSON does."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
