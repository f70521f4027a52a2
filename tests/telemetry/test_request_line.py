"""A request's line is the one that the general renderer would write, whatever is kept from line to line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms.protocol.events import RequestEnded
from llms.telemetry.lines import JsonLine
from llms.telemetry.redact import Redactor
from llms.telemetry.request_line import RequestLines

Make = Callable[..., RequestEnded]
SECRET = "planted-c0ffee-4f1d9a77"

words = st.text(max_size=20) | st.sampled_from(["gpt-5.5", SECRET, 'a"b', "ü", "\ud800", "a\u2028b", "x" * 300])


def said(lines: RequestLines, *ended: RequestEnded) -> list[dict[str, object]]:
    raw = lines(ended)
    assert SECRET.encode() not in raw
    assert raw.count(b"\n") == len(ended)
    return [json.loads(line) for line in raw.decode().splitlines()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "request_id": words,
                "upstream_request_id": words,
                "asked_model": words,
                "model": words,
                "status": st.sampled_from([200, 404, 502]),
                "error_code": st.none() | words,
                "stream": st.booleans(),
                "window": st.sampled_from([None, "queued"]),
                "ttft": st.none() | st.floats(0, 100),
                "attempts": st.integers(0, 6),
            },
        ),
        max_size=8,
    )
)
def test_together_they_say_what_each_would_say_alone(ended: Make, changes: list[dict[str, object]]) -> None:
    redactor = Redactor([SECRET])
    kept = RequestLines(JsonLine(redactor), redactor)
    events = [ended(**change) for change in changes]
    alone = [line for event in events for line in said(RequestLines(JsonLine(redactor), redactor), event)]
    assert said(kept, *events) == said(kept, *events) == alone


def test_a_line_has_the_time_at_which_its_request_ended(ended: Make) -> None:
    redactor = Redactor()
    lines = RequestLines(JsonLine(redactor), redactor)
    for name in ("plain", "ü"):
        events = [ended(started=started, duration=0.75, request_id=name) for started in (1.0, 1.25, 86_400.5)]
        first, second, third = (line["time"] for line in said(lines, *events))
        assert first == "1970-01-01T00:00:01.750000Z"
        assert str(second).startswith("1970-01-01T00:00:02")
        assert third == "1970-01-02T00:00:01.250000Z"


def test_a_line_is_the_one_of_the_general_renderer(ended: Make) -> None:
    redactor = Redactor()
    lines = RequestLines(JsonLine(redactor), redactor)
    (plain,), (odd,) = said(lines, ended(request_id="plain")), said(lines, ended(request_id="\u00fc"))
    assert plain == {**odd, "request_id": "plain"}
    assert list(plain) == list(odd)


def test_a_secret_that_comes_with_a_reload_is_kept_out_of_lines_kept_before(ended: Make) -> None:
    redactor = Redactor()
    lines = RequestLines(JsonLine(redactor), redactor)
    event = ended(asked_model=SECRET)
    assert SECRET.encode() in lines([event])
    redactor.update([SECRET])
    assert SECRET.encode() not in lines([event])


@pytest.mark.parametrize("size", [10, 10_000])
def test_a_thousand_names_of_strangers_are_not_all_kept(ended: Make, size: int) -> None:
    redactor = Redactor()
    lines = RequestLines(JsonLine(redactor), redactor)
    for at in range(1_000):
        lines([ended(asked_model=f"{at}".rjust(size, "m"))])
    assert len(lines._kept) <= 512
    assert sum(len(text) for text in lines._kept.values()) < 512 * 1_000
