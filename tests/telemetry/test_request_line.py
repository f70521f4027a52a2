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
from llms.telemetry.request_line import RequestLine

Make = Callable[..., RequestEnded]
SECRET = "planted-c0ffee-4f1d9a77"

words = st.text(max_size=20) | st.sampled_from(["gpt-5.5", SECRET, 'a"b', "ü", "\ud800", "a\u2028b", "x" * 300])


def rendered(line: RequestLine, event: RequestEnded) -> dict[str, object]:
    said: dict[str, object] = json.loads(line("info", event))
    assert said.pop("time")
    return said


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
def test_what_is_kept_changes_no_line(ended: Make, changes: list[dict[str, object]]) -> None:
    redactor = Redactor([SECRET])
    kept = RequestLine(JsonLine(redactor), redactor)
    for change in changes:
        event = ended(**change)
        raw = kept("info", event)
        assert SECRET.encode() not in raw
        assert raw.count(b"\n") == 0
        assert rendered(kept, event) == rendered(RequestLine(JsonLine(redactor), redactor), event)


def test_a_secret_that_comes_with_a_reload_is_kept_out_of_lines_kept_before(ended: Make) -> None:
    redactor = Redactor()
    line = RequestLine(JsonLine(redactor), redactor)
    event = ended(asked_model=SECRET)
    assert SECRET.encode() in line("info", event)
    redactor.update([SECRET])
    assert SECRET.encode() not in line("info", event)


@pytest.mark.parametrize("size", [10, 10_000])
def test_a_thousand_names_of_strangers_are_not_all_kept(ended: Make, size: int) -> None:
    redactor = Redactor()
    line = RequestLine(JsonLine(redactor), redactor)
    for at in range(1_000):
        line("info", ended(asked_model=f"{at}".rjust(size, "m")))
    assert len(line._kept) <= 512
    assert sum(len(text) for text in line._kept.values()) < 512 * 1_000
