"""The log keeps secrets, cannot be forged, never fails a request and says what happened in one line."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms.protocol.events import AttemptFailed, HttpEnded, RequestEnded
from llms.telemetry.log import Log, RequestLog, configure
from llms.telemetry.redact import Redactor

Make = Callable[..., RequestEnded]

SECRET = "planted-c0ffee-4f1d9a77"
CLIENTS = "sk-client-0123456789abcdef"


class Written:
    """A log and what it wrote."""

    def __init__(self, *, level: str = "debug", pretty: bool = False) -> None:
        self.stream = io.BytesIO()
        self.redactor = Redactor([SECRET])
        self.log: Log = configure(level=level, pretty=pretty, stream=self.stream, redactor=self.redactor)
        self.own = structlog.get_logger()

    def text(self) -> str:
        return self.stream.getvalue().decode()

    def lines(self) -> list[str]:
        """Split where any reader might split: at every kind of line break that Unicode knows."""
        return self.text().splitlines()

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]


pytestmark = pytest.mark.usefixtures("restored_log")


@dataclass
class Settings:
    base_url: str
    credential: str


def _raise(text: str) -> None:
    try:
        raise KeyError(text)
    except KeyError as cause:
        raise RuntimeError("the outer one") from cause


def in_an_exception(written: Written, secret: str) -> None:
    try:
        _raise(f"upstream said {secret}")
    except RuntimeError:
        written.own.exception("failed")


def in_an_exception_below_error(written: Written, secret: str) -> None:
    try:
        raise ValueError(f"bad key\n{secret}")
    except ValueError:
        written.own.warning("odd", exc_info=True)


def in_a_foreign_exception(written: Written, secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")


PLACES: dict[str, Callable[[Written, str], None]] = {
    "event text": lambda w, s: w.own.info(f"used {s} here"),
    "whole event": lambda w, s: w.own.info(s),
    "field": lambda w, s: w.own.info("x", detail=s),
    "inside a field": lambda w, s: w.own.info("x", url=f"https://host/?key={s}&x=1"),
    "nested mapping": lambda w, s: w.own.info("x", row={"a": {"b": [1, {"c": s}]}}),
    "name in a mapping": lambda w, s: w.own.info("x", row={s: 1}),
    "tuple": lambda w, s: w.own.info("x", pair=("a", s)),
    "set": lambda w, s: w.own.info("x", names={s}),
    "bytes": lambda w, s: w.own.info("x", body=s.encode()),
    "dataclass": lambda w, s: w.own.info("x", settings=Settings("http://host", s)),
    "JSON in text": lambda w, s: w.own.info("x", body=json.dumps({"error": {"message": f'"{s}"'}})),
    "after a line break": lambda w, s: w.own.info(f"first\n{s}\tand"),
    "bound field": lambda w, s: w.own.bind(who=s).info("x"),
    "sensitive name": lambda w, s: w.own.info("x", api_key=s, headers={"Authorization": f"Bearer {s}"}),
    "exception and its cause": in_an_exception,
    "exception of a warning": in_an_exception_below_error,
    "library's text": lambda w, s: logging.getLogger("aiohttp.server").error("bad %s", s),
    "library's broken text": lambda w, s: logging.getLogger("openai").error("bad %d", s),
    "library's exception": in_a_foreign_exception,
    "warning": lambda w, s: warnings.warn(f"deprecated {s}", UserWarning, stacklevel=1),
}


@pytest.mark.parametrize("pretty", [False, True], ids=["json", "pretty"])
@pytest.mark.parametrize("secret", [SECRET, CLIENTS], ids=["configured", "unknown"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.filterwarnings("always")
def test_a_planted_secret_never_appears(place: str, secret: str, pretty: bool) -> None:
    written = Written(pretty=pretty)
    PLACES[place](written, secret)
    assert "***" in written.text(), written.text()
    assert secret not in written.text()
    assert secret[4:20] not in written.text()


@pytest.mark.parametrize("pretty", [False, True], ids=["json", "pretty"])
def test_a_request_that_carries_a_secret_everywhere_shows_it_nowhere(ended: Make, pretty: bool) -> None:
    written = Written(pretty=pretty)
    observe = RequestLog(written.log)
    observe(ended(asked_model=SECRET, model=f"a/{CLIENTS}", upstream_request_id=SECRET, error_code=SECRET))
    observe(HttpEnded("r", "GET", f"/v1/{SECRET}?api_key=unknown-key-1", 404, SECRET, 0.1))
    observe(AttemptFailed("openai", SECRET, 1, "first", SECRET, 0.1))
    assert len(written.lines()) == 3
    for secret in (SECRET, CLIENTS, "unknown-key-1"):
        assert secret not in written.text()


def test_a_secret_that_comes_with_a_reload_is_kept_too() -> None:
    written = Written()
    written.redactor.update(["another-planted-one"])
    written.own.info("another-planted-one")
    assert written.objects()[0]["event"] == "***"


@pytest.mark.parametrize(
    "name", ["api_key", "authorization", "x-api-key", "cookie", "password", "token", "client_secret"]
)
def test_a_field_with_the_name_of_a_secret_is_masked_whatever_it_holds(name: str) -> None:
    written = Written()
    for held in ("abc", 12345, ["abc"], {"a": "abc"}, None):
        written.own.info("x", **{name: held}, outer={name: held})
    for line in written.objects():
        assert line[name] == "***"
        assert line["outer"] == {name: "***"}


@dataclass
class Row:
    name: str
    api_key: str


def test_an_object_shows_no_field_with_the_name_of_a_secret() -> None:
    written = Written()
    written.own.info("x", row=Row("openai", "hunter22"))
    assert "openai" in written.text()
    assert "hunter22" not in written.text()


BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("pretty", [False, True], ids=["json", "pretty"])
@pytest.mark.parametrize("sign", [*BREAKS, "\x00", "\x08", "\x1b[2K\x1b[31m", "\x7f", "\x9b31m", "\u202e", "\ud800"])
def test_no_value_can_forge_a_line_or_move_the_cursor(sign: str, pretty: bool, ended: Make) -> None:
    written = Written(pretty=pretty)
    forged = f'x{sign}{{"level":"info","event":"forged"}}'
    written.own.info(forged, field=forged, nested=[forged], **{f"n{sign}ame": 1})
    logging.getLogger("aiohttp").warning("bad %s", forged)
    RequestLog(written.log)(ended(asked_model=forged, upstream_request_id=forged))
    assert len(written.lines()) == 3
    without_colours = re.sub(r"\x1b\[[\d;]*m", "", written.text()) if pretty else written.text()
    assert all(line.isprintable() for line in without_colours.split("\n"))


def test_what_a_value_held_can_be_read_back_from_json() -> None:
    written = Written()
    text = "".join([*BREAKS, "\x1b\x7f\u202e", 'ordinary, äöü, 你好, 🎉, \\ and "'])
    written.own.info("x", text=text)
    assert written.objects()[0]["text"] == text


JSONABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=st.text(), value=JSONABLE)
def test_whatever_is_logged_is_one_line(event: str, value: object) -> None:
    for pretty in (False, True):
        written = Written(pretty=pretty)
        written.own.info(event, value=value)
        assert len(written.lines()) == 1
        if not pretty:
            assert written.objects()[0]["level"] == "info"


def test_an_object_that_is_no_json_is_shown_somehow() -> None:
    written = Written()
    circle: list[object] = []
    circle.append(circle)
    for value in (2**200, {1: 2}, object(), {3, 4}, b"\xff", circle, float("nan"), ValueError("x"), 1j):
        written.own.info("x", value=value)
    assert len(written.objects()) == 9


def test_a_giant_value_is_cut() -> None:
    written = Written()
    written.own.info("x", text="a" * 5_000_000, many=["b" * 100] * 100_000, short="c")
    (line,) = written.objects()
    assert len(written.text()) < 70_000
    assert line["text"].startswith("aaaa")
    assert line["short"] == "c"


def test_a_line_begins_with_time_level_and_event() -> None:
    written = Written()
    written.own.warning("odd", n=1)
    (line,) = written.objects()
    assert list(line) == ["time", "level", "event", "n"]
    assert line["level"] == "warning"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", line["time"])


def test_an_exception_at_error_level_is_one_line_with_its_traceback() -> None:
    written = Written()
    in_an_exception(written, "nothing")
    (line,) = written.objects()
    assert "KeyError: 'upstream said nothing'" in line["exception"]
    assert line["exception"].endswith("RuntimeError: the outer one")
    assert "test_log.py" in line["exception"]


def test_an_exception_object_will_do() -> None:
    written = Written()
    written.own.error("task failed", exc_info=ValueError("given as it is"))
    assert written.objects()[0]["exception"] == "ValueError: given as it is"


def test_below_error_level_an_exception_has_no_traceback() -> None:
    written = Written()
    in_an_exception_below_error(written, "the key")
    assert "Traceback" not in written.text()
    assert written.objects()[0]["error"] == "ValueError: bad key\nthe key"


def test_on_a_terminal_a_traceback_is_indented_below_its_line() -> None:
    written = Written(pretty=True)
    in_an_exception(written, "x\n12:00:00 info forged")
    first, *rest = written.lines()
    assert "failed" in first
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_on_a_terminal_a_value_cannot_pose_as_another_field() -> None:
    written = Written(pretty=True)
    written.own.info("x", model="a status=200", empty="", nothing=None)
    text = re.sub(r"\x1b\[[\d;]*m", "", written.text())
    assert 'model="a status=200"' in text
    assert "empty" not in text
    assert "nothing" not in text


@pytest.mark.parametrize(("level", "told"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1), ("critical", 0)])
def test_levels(level: str, told: int) -> None:
    written = Written(level=level)
    for write in (written.own.debug, written.own.info, written.own.warning, written.own.error):
        write("x")
    assert len(written.lines()) == told


def test_libraries_speak_in_our_format_but_not_of_what_they_send() -> None:
    written = Written(level="debug")
    logging.getLogger("openai").debug("Request options: %s", {"messages": ["the prompt"]})
    logging.getLogger("httpx2").info("HTTP Request: POST")
    logging.getLogger("aiohttp.server").error("Error handling request from %s", "127.0.0.1")
    logging.getLogger("llms.somewhere").debug("our own module")
    library, own = written.objects()
    assert (library["logger"], library["level"]) == ("aiohttp.server", "error")
    assert library["event"] == "Error handling request from 127.0.0.1"
    assert own["event"] == "our own module"


@pytest.mark.filterwarnings("always")
def test_warnings_of_python_are_lines_too() -> None:
    written = Written()
    warnings.warn("old thing", UserWarning, stacklevel=1)
    (line,) = written.objects()
    assert line["level"] == "warning"
    assert "old thing" in line["event"]


def test_configuring_again_replaces_everything() -> None:
    first, second = Written(), Written()
    structlog.get_logger().info("x")
    logging.getLogger("aiohttp").error("y")
    assert first.lines() == []
    assert len(second.lines()) == 2


class Broken(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_stream_that_fails_hurts_nobody(ended: Make) -> None:
    closed = io.BytesIO()
    closed.close()
    for stream in (Broken(), closed):
        log = configure(level="info", pretty=False, stream=stream, redactor=Redactor())  # type: ignore[arg-type]
        structlog.get_logger().error("x")
        logging.getLogger("aiohttp").error("y")
        RequestLog(log)(ended())


def test_text_streams_and_those_over_bytes_will_do() -> None:
    text, buffered = io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    for stream in (text, buffered):
        configure(level="info", pretty=False, stream=stream, redactor=Redactor())
        structlog.get_logger().info("grüße")
    assert json.loads(text.getvalue())["event"] == "grüße"
    assert json.loads(buffered.buffer.getvalue())["event"] == "grüße"


def test_a_request_is_one_line_that_tells_all(ended: Make) -> None:
    written = Written(level="info")
    RequestLog(written.log)(ended())
    (line,) = written.objects()
    del line["time"]
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": "req-1",
        "route": "/v1/chat/completions",
        "key_id": "key-12345678",
        "asked_model": "smart",
        "provider": "openai",
        "model": "gpt-5.5",
        "stream": True,
        "status": 200,
        "outcome": "ok",
        "error_code": None,
        "finish_reason": "stop",
        "duration_ms": 1250.0,
        "ttft_ms": 250.0,
        "queued_ms": 2.0,
        "tokens_in": 120,
        "tokens_out": 41,
        "usage": "reported",
        "attempts": 1,
        "upstream_request_id": "up-1",
    }


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"outcome": "ok"}, "info"),
        ({"outcome": "cancelled", "window": "streaming", "status": 499}, "info"),
        ({"outcome": "error", "status": 404}, "info"),
        ({"outcome": "error", "status": 502}, "warning"),
        ({"outcome": "error", "status": 200}, "warning"),
        ({"outcome": "truncated", "status": 200}, "warning"),
    ],
)
def test_failures_of_ours_stand_out(ended: Make, changes: dict[str, Any], level: str) -> None:
    everything, warnings_only = Written(), Written(level="warning")
    for written in (everything, warnings_only):
        RequestLog(written.log)(ended(**changes))
    assert [line["level"] for line in everything.objects()] == [level]
    assert len(warnings_only.lines()) == (level == "warning")


def test_a_request_that_was_left_says_where(ended: Make) -> None:
    written = Written()
    RequestLog(written.log)(ended(outcome="cancelled", window="queued", ttft=None))
    assert written.objects()[0]["window"] == "queued"
    assert written.objects()[0]["ttft_ms"] is None


def test_names_that_strangers_made_up_are_cut(ended: Make) -> None:
    written = Written()
    RequestLog(written.log)(ended(asked_model="m" * 1_000_000, upstream_request_id="u" * 10_000))
    assert len(written.text()) < 2_000


def test_other_exchanges_and_failed_attempts_are_for_debugging() -> None:
    events = [
        HttpEnded("req-2", "GET", "/health", 200, None, 0.0012),
        AttemptFailed("openai", "gpt-5.5", 2, "retry", "upstream_timeout", 0.5),
    ]
    quiet, chatty = Written(level="info"), Written(level="debug")
    for written in (quiet, chatty):
        for event in events:
            RequestLog(written.log)(event)  # type: ignore[arg-type]
    assert quiet.lines() == []
    http, attempt = chatty.objects()
    assert (http["event"], http["path"], http["status"], http["duration_ms"]) == ("http", "/health", 200, 1.2)
    assert (attempt["event"], attempt["kind"], attempt["error_code"]) == ("attempt failed", "retry", "upstream_timeout")


def test_loading_the_log_does_not_load_rich_and_does_not_forbid_it() -> None:
    program = (
        "import sys, llms.telemetry.log, structlog\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'rich']\n"
        "import rich.console\n"
        "structlog.dev.ConsoleRenderer()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
