"""Pages of several workers are summed series by series, and what a dead one told is kept."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.events import HttpEnded
from llms.stores.crew import Crew
from llms.telemetry.metrics import Metrics
from llms.telemetry.pages import Pages
from llms.telemetry.summed import lasting, total

ONE = b"""\
# HELP llms_errors_total Answers with an error code.
# TYPE llms_errors_total counter
llms_errors_total{code="a b"} 2.0
# HELP llms_wait Waits.
# TYPE llms_wait histogram
llms_wait_bucket{le="0.1"} 1.0
llms_wait_bucket{le="+Inf"} 3.0
llms_wait_count 3.0
llms_wait_sum 0.75
# HELP llms_active_requests Requests under way.
# TYPE llms_active_requests gauge
llms_active_requests 4.0
# HELP llms_provider_up Up.
# TYPE llms_provider_up gauge
llms_provider_up{provider="a"} 1.0
llms_provider_up{provider="b"} 1.0
"""
OTHER = ONE.replace(b'"a b"', b'"c"').replace(b'"a"} 1.0', b'"a"} 0.0').replace(b"0.75", b"0.5")
BOTH = b"""\
# HELP llms_errors_total Answers with an error code.
# TYPE llms_errors_total counter
llms_errors_total{code="a b"} 2.0
llms_errors_total{code="c"} 2.0
# HELP llms_wait Waits.
# TYPE llms_wait histogram
llms_wait_bucket{le="0.1"} 2.0
llms_wait_bucket{le="+Inf"} 6.0
llms_wait_count 6.0
llms_wait_sum 1.25
# HELP llms_active_requests Requests under way.
# TYPE llms_active_requests gauge
llms_active_requests 8.0
# HELP llms_provider_up Up.
# TYPE llms_provider_up gauge
llms_provider_up{provider="a"} 0.0
llms_provider_up{provider="b"} 1.0
"""


def test_counters_histograms_and_gauges_are_summed_and_the_least_says_what_is_up() -> None:
    assert total([ONE, OTHER]) == BOTH


def test_one_page_stays_as_it_is() -> None:
    assert total([ONE]) == ONE
    assert total([ONE, b""]) == ONE


def test_what_lasts_are_no_gauges() -> None:
    assert lasting(ONE) == ONE[: ONE.index(b"# HELP llms_active_requests")]


@given(counts=st.lists(st.lists(st.sampled_from(["no_key", "not_found", "other"]), max_size=5), max_size=4))
def test_the_sum_of_pages_is_the_page_of_the_sum(counts: list[list[str]]) -> None:
    def page(codes: list[str]) -> bytes:
        metrics = Metrics(known_model=lambda model: True)
        for code in codes:
            metrics(HttpEnded("r", "GET", "/", 404, code, 0.1))
        told = metrics.exposition()[0]
        return told[: told.index(b"# HELP process_")]  # the same process, however many pages it writes

    pages = [page(codes) for codes in counts]
    whole = page([code for codes in counts for code in codes])
    assert sorted(total(pages or [page([])]).splitlines()) == sorted(whole.splitlines())


def test_a_worker_goes_on_counting_where_its_predecessor_was_when_it_told(tmp_path: Path) -> None:
    sibling = Pages(Crew(tmp_path, 1, 2))
    first = Pages(Crew(tmp_path, 0, 2))
    first.own(ONE)
    assert sibling.of_all(OTHER, {}) == total([OTHER, lasting(ONE)])

    second = Pages(Crew(tmp_path, 0, 2))
    assert second.own(ONE) == total([ONE, lasting(ONE)])
    third = Pages(Crew(tmp_path, 0, 2))
    assert third.own(b"") == lasting(total([ONE, ONE]))


def test_a_page_that_cannot_be_kept_is_told_all_the_same(tmp_path: Path) -> None:
    assert Pages(Crew(tmp_path / "gone", 0, 1)).own(ONE) == ONE
