"""The log of the process: where its lines go, which libraries speak in it, and the one line a request gets."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, TextIO, cast, final

from llms.protocol.events import AttemptFailed, Event, HttpEnded, RequestEnded
from llms.telemetry.batched import Batched
from llms.telemetry.lines import Fields, JsonLine, PrettyLine, Renderer
from llms.telemetry.redact import Redactor
from llms.telemetry.request_line import LONGEST_NAME, RequestLines, level_of, milliseconds


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let imports find no such package, as None in `sys.modules` is defined to do; one already loaded stays."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


# structlog loads these, where installed, for tracebacks and threads that we don't have: 30 ms and 5 MB of a start.
with _hidden("rich"), _hidden("greenlet"):
    import structlog

_LOWEST_FOREIGN: Final = logging.WARNING
"""Below it the libraries tell what they send, prompts included."""


def configure(*, level: str, pretty: bool, stream: TextIO | BinaryIO | Batched, redactor: Redactor) -> Log:
    """Send every line of the process to `stream` in one format, those of the libraries and warnings included.

    `level` is one of debug, info, warning, error, critical. `pretty` is for terminals, otherwise a line is one
    JSON object. A stream that fails loses lines, never a request. May be called again.
    """
    lowest = logging.getLevelNamesMapping()[level.upper()]
    output = Output(stream)
    render: Renderer = PrettyLine(redactor) if pretty else JsonLine(redactor)
    log = Log(render, output, lowest, requests=RequestLines(render, None if pretty else redactor))
    structlog.configure(
        processors=[log.render],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.BytesLoggerFactory(cast(BinaryIO, output)),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(log)]
    root.setLevel(max(lowest, _LOWEST_FOREIGN))
    logging.getLogger("llms").setLevel(lowest)
    logging.captureWarnings(True)
    return log


@final
class Output:
    """A stream of bytes that keeps its failures to itself: a full disk or a closed pipe must not fail a request."""

    def __init__(self, stream: TextIO | BinaryIO | Batched) -> None:
        self._stream = stream
        raw: Any = getattr(stream, "buffer", stream)
        self._takes_text = isinstance(raw, io.TextIOBase)
        self._write = raw.write
        self._flush = raw.flush

    def write(self, line: bytes) -> None:
        try:
            self._write(line.decode() if self._takes_text else line)
            self._flush()
        except (OSError, ValueError):
            return

    def flush(self) -> None:
        """Do nothing: `write` flushes."""

    def gather(self, render: RequestLines) -> Callable[[RequestEnded], None] | None:
        """Return what takes requests to be rendered later, if the stream gathers lines."""
        if not isinstance(self._stream, Batched):
            return None
        self._stream.render = render
        return self._stream.tell


@final
class Log:
    """The log as configured: what structlog's loggers, the libraries and the request log write to."""

    def __init__(self, render: Renderer, output: Output, lowest: int, *, requests: RequestLines) -> None:
        self.render = render
        self._write = output.write
        self._lowest = lowest
        self._requests = requests
        self.write_request = output.gather(requests) or self._write_request
        """Writes the line of a request without asking for its level, later where the lines are gathered."""

    def tells(self, level: int) -> bool:
        """Say whether lines of this level (of the standard library's logging) are wanted."""
        return level >= self._lowest

    def write(self, level: str, fields: Fields) -> None:
        """Write one line without asking for its level."""
        self._write(self.render(None, level, fields) + b"\n")

    def _write_request(self, event: RequestEnded) -> None:
        self._write(self._requests([event]))


@final
class _Foreign(logging.Handler):
    """Write the records of the standard library's logging as lines of ours."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = record.getMessage()
        except (TypeError, ValueError, KeyError):
            event = f"{record.msg} {record.args!r}"
        fields = {"event": event, "logger": record.name, "exc_info": record.exc_info}
        self._log.write(record.levelname.lower(), fields)


@final
class RequestLog:
    """Write one line for each request that ended: who asked for what, who answered, how it went, never the words.

    Failed requests are warnings, unless the client was wrong (4xx); the others are `info`. Failed attempts and
    exchanges without a model are `debug`. Goes past structlog's own loggers, which double the cost of a line.
    """

    def __init__(self, log: Log) -> None:
        self._write = log.write
        self._write_request = log.write_request
        self._tells_info = log.tells(logging.INFO)
        self._tells_warning = log.tells(logging.WARNING)
        self._tells_debug = log.tells(logging.DEBUG)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestEnded):
            if self._tells_info or (self._tells_warning and level_of(event) == "warning"):
                self._write_request(event)
        elif self._tells_debug:
            if isinstance(event, HttpEnded):
                self._write("debug", _exchange(event))
            else:
                self._write("debug", _attempt(event))


def _exchange(event: HttpEnded) -> Fields:
    return {
        "event": "http",
        "request_id": event.request_id,
        "method": event.method[:LONGEST_NAME],
        "path": event.path[:LONGEST_NAME],
        "status": event.status,
        "error_code": event.error_code,
        "duration_ms": milliseconds(event.duration),
    }


def _attempt(event: AttemptFailed) -> Fields:
    return {
        "event": "attempt failed",
        "provider": event.provider,
        "model": event.model[:LONGEST_NAME],
        "attempt": event.attempt,
        "kind": event.kind,
        "error_code": event.error_code[:LONGEST_NAME],
        "duration_ms": milliseconds(event.seconds),
    }
