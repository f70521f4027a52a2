"""The names, labels and figures that Prometheus is promised."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from llms.protocol.chat import Usage
from llms.protocol.events import AttemptFailed, HttpEnded, RequestEnded
from llms.telemetry.metrics import Metrics

Make = Callable[..., RequestEnded]

PROMISED = {
    "gen_ai_server_request_duration_seconds": ("histogram", set()),
    "gen_ai_server_time_to_first_token_seconds": ("histogram", set()),
    "gen_ai_server_time_per_output_token_seconds": ("histogram", set()),
    "gen_ai_client_token_usage": ("histogram", {"gen_ai_token_type"}),
    "llms_requests_total": ("counter", {"provider", "model", "status"}),
    "llms_errors_total": ("counter", {"code"}),
    "llms_active_requests": ("gauge", set()),
    "llms_queue_depth": ("gauge", set()),
    "llms_queue_wait_seconds": ("histogram", set()),
    "llms_retries_total": ("counter", set()),
    "llms_fallbacks_total": ("counter", set()),
    "llms_cancelled_total": ("counter", {"stage"}),
    "llms_truncated_total": ("counter", set()),
    "llms_streams_total": ("counter", {"outcome"}),
    "llms_active_streams": ("gauge", set()),
    "llms_shared_total": ("counter", set()),
    "llms_cache_total": ("counter", {"result"}),
    "llms_resumed_total": ("counter", set()),
    "llms_provider_up": ("gauge", {"provider"}),
    "llms_overhead_seconds": ("histogram", {"component"}),
    "llms_tasks": ("gauge", set()),
    "process_virtual_memory_bytes": ("gauge", set()),
    "process_resident_memory_bytes": ("gauge", set()),
    "process_start_time_seconds": ("gauge", set()),
    "process_cpu_seconds_total": ("counter", set()),
    "process_open_fds": ("gauge", set()),
    "process_max_fds": ("gauge", set()),
}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(known_model={"gpt-5.5", "smart"}.__contains__)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, _ = metrics.exposition()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


def busy(metrics: Metrics, ended: Make) -> None:
    """Let everything happen once, so that every series exists."""
    metrics(ended())
    metrics(ended(outcome="error", status=502, error_code="upstream_unreachable"))
    metrics.watch(
        active_requests=lambda: 3,
        active_streams=lambda: 1,
        queued=lambda: 2,
        tasks=lambda: 9,
        providers_up=lambda: {"openai": True, "b": False},
    )


def test_names_kinds_and_labels_are_those_promised(metrics: Metrics, ended: Make) -> None:
    busy(metrics, ended)
    found = {}
    for family in text_string_to_metric_families(metrics.exposition()[0].decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert family.documentation, name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[name] = (family.type, labels)
    assert found == PROMISED


def test_no_other_series_stand_on_the_page(metrics: Metrics, ended: Make) -> None:
    busy(metrics, ended)
    endings = ("", "_bucket", "_sum", "_count")
    allowed = {name + ending for name, (kind, _) in PROMISED.items() for ending in endings if kind == "histogram"}
    allowed |= {name for name, (kind, _) in PROMISED.items() if kind != "histogram"}
    assert {name for name, _ in samples(metrics)} <= allowed


def test_the_content_type_is_the_text_format(metrics: Metrics) -> None:
    body, content_type = metrics.exposition()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert body.endswith(b"\n")


def test_figures_without_labels_start_at_zero(metrics: Metrics) -> None:
    for name in ("llms_retries_total", "llms_fallbacks_total", "llms_truncated_total", "llms_resumed_total"):
        assert value(metrics, name) == 0
    assert value(metrics, "gen_ai_server_request_duration_seconds_count") == 0
    assert value(metrics, "gen_ai_client_token_usage_count", gen_ai_token_type="input") == 0
    assert value(metrics, "llms_cancelled_total", stage="queued") == 0


def test_a_streamed_success(metrics: Metrics, ended: Make) -> None:
    metrics(ended())
    assert value(metrics, "llms_requests_total", provider="openai", model="gpt-5.5", status="200") == 1
    assert value(metrics, "gen_ai_server_request_duration_seconds_sum") == 1.25
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_sum") == 0.25
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_sum") == pytest.approx(1.0 / 40)
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="input") == 120
    assert value(metrics, "gen_ai_client_token_usage_sum", gen_ai_token_type="output") == 41
    assert value(metrics, "llms_queue_wait_seconds_sum") == 0.002


def test_buckets_are_cumulative_and_end_with_all(metrics: Metrics, ended: Make) -> None:
    for duration in (0.01, 0.015, 10_000.0):
        metrics(ended(duration=duration))
    name = "gen_ai_server_request_duration_seconds_bucket"
    assert value(metrics, name, le="0.01") == 1
    assert value(metrics, name, le="0.02") == 2
    assert value(metrics, name, le="900.0") == 2
    assert value(metrics, name, le="+Inf") == 3


def test_a_whole_answer_has_no_time_to_first_token(metrics: Metrics, ended: Make) -> None:
    metrics(ended(stream=False))
    assert value(metrics, "gen_ai_server_request_duration_seconds_count") == 1
    assert value(metrics, "gen_ai_server_time_to_first_token_seconds_count") == 0
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_count") == 0


@pytest.mark.parametrize("source", ["estimated", "unknown"])
def test_only_reported_tokens_count(metrics: Metrics, ended: Make, source: str) -> None:
    metrics(ended(usage=Usage(prompt_tokens=9, completion_tokens=9, source=source)))  # type: ignore[arg-type]
    assert value(metrics, "gen_ai_client_token_usage_count", gen_ai_token_type="output") == 0


def test_retries_fallbacks_and_truncation(metrics: Metrics, ended: Make) -> None:
    metrics(ended(retries=2, fallbacks=1, attempts=4, outcome="truncated", error_code="upstream_truncated"))
    assert value(metrics, "llms_retries_total") == 2
    assert value(metrics, "llms_fallbacks_total") == 1
    assert value(metrics, "llms_truncated_total") == 1
    assert value(metrics, "llms_errors_total", code="upstream_truncated") == 1
    assert value(metrics, "gen_ai_server_time_per_output_token_seconds_count") == 0


@pytest.mark.parametrize("window", ["queued", "before_first_chunk", "streaming", "whole_answer"])
def test_a_client_that_leaves_is_counted_where_it_left(metrics: Metrics, ended: Make, window: str) -> None:
    metrics(ended(outcome="cancelled", window=window, error_code="cancelled", ttft=None))
    assert value(metrics, "llms_cancelled_total", stage=window) == 1
    assert value(metrics, "llms_truncated_total") == 0


def test_refusals_count_by_their_code(metrics: Metrics) -> None:
    for code in ("invalid_api_key", "host_not_allowed", None):
        metrics(HttpEnded(request_id="r", method="POST", path="/", status=401, error_code=code, duration=0.0))
    metrics(AttemptFailed(provider="a", model="m", attempt=1, kind="first", error_code="upstream_error", seconds=0.1))
    errors = {labels: count for (name, labels), count in samples(metrics).items() if name == "llms_errors_total"}
    assert errors == {(("code", "invalid_api_key"),): 1, (("code", "host_not_allowed"),): 1}


def test_made_up_models_and_codes_share_one_label(metrics: Metrics, ended: Make) -> None:
    for number in range(300):
        metrics(ended(provider="", model="", asked_model=f"x{number}", status=404, outcome="error", error_code="nope"))
        metrics(ended(model=f"y{number}", outcome="error", error_code=f"upstreams_own_{number}"))
    counted = samples(metrics)
    assert {labels: count for (name, labels), count in counted.items() if name == "llms_requests_total"} == {
        (("model", "other"), ("provider", "none"), ("status", "404")): 300,
        (("model", "other"), ("provider", "openai"), ("status", "200")): 300,
    }
    assert {labels: count for (name, labels), count in counted.items() if name == "llms_errors_total"} == {
        (("code", "other"),): 600
    }


def test_a_known_name_stands_where_no_target_was_reached(metrics: Metrics, ended: Make) -> None:
    metrics(ended(provider="", model="", asked_model="smart", status=429, outcome="error", error_code="queue_full"))
    assert value(metrics, "llms_requests_total", provider="none", model="smart", status="429") == 1


def test_a_model_that_becomes_known_gets_its_own_label(ended: Make) -> None:
    known: set[str] = set()
    metrics = Metrics(known_model=known.__contains__)
    metrics(ended())
    metrics.settle()
    known.add("gpt-5.5")
    metrics(ended())
    metrics(ended())
    assert value(metrics, "llms_requests_total", provider="openai", model="other", status="200") == 1
    assert value(metrics, "llms_requests_total", provider="openai", model="gpt-5.5", status="200") == 2


def test_streams_are_counted_by_their_outcome(metrics: Metrics, ended: Make) -> None:
    for each in (ended(stream=True), ended(stream=True, outcome="truncated"), ended(stream=False)):
        metrics(each)
    assert value(metrics, "llms_streams_total", outcome="ok") == 1
    assert value(metrics, "llms_streams_total", outcome="truncated") == 1


def test_shared_and_kept_answers_are_counted(metrics: Metrics, ended: Make) -> None:
    metrics(ended(usage=Usage(source="shared")))
    metrics(ended(usage=Usage(source="cached"), cache="hit"))
    metrics(ended(cache="miss"))
    assert value(metrics, "llms_shared_total") == 1
    assert value(metrics, "llms_cache_total", result="hit") == 1
    assert value(metrics, "llms_cache_total", result="miss") == 1


def test_gauges_tell_the_present(metrics: Metrics) -> None:
    active, queued, tasks, up = [1], [5], [9], {"openai": True, "groq": True}
    metrics.watch(
        active_requests=lambda: active[0],
        active_streams=lambda: active[0] - 1,
        queued=lambda: queued[0],
        tasks=lambda: tasks[0],
        providers_up=lambda: up,
    )
    assert value(metrics, "llms_active_requests") == 1
    assert value(metrics, "llms_tasks") == 9
    active[0], queued[0] = 7, 0
    up.update(openai=False)
    del up["groq"]
    assert value(metrics, "llms_active_requests") == 7
    assert value(metrics, "llms_active_streams") == 6
    assert value(metrics, "llms_queue_depth") == 0
    assert value(metrics, "llms_provider_up", provider="openai") == 0
    assert value(metrics, "llms_provider_up", provider="groq") is None


def test_resumed_streams(metrics: Metrics) -> None:
    metrics.count_resumed()
    assert value(metrics, "llms_resumed_total") == 1


def test_our_own_time_is_told_by_component(metrics: Metrics, ended: Make) -> None:
    metrics(ended(attempts=1, overhead=0.000_02, after_upstream=0.000_04))
    metrics(ended(attempts=1, overhead=0.3))
    metrics(ended(attempts=0))
    name = "llms_overhead_seconds"
    assert value(metrics, f"{name}_count", component="before_upstream") == 2
    assert value(metrics, f"{name}_bucket", component="before_upstream", le="2.5e-05") == 1
    assert value(metrics, f"{name}_count", component="after_upstream") == 1
    assert value(metrics, f"{name}_sum", component="after_upstream") == 0.000_04


def test_whoever_asks_is_told_of_the_last_request_and_few_are_held(metrics: Metrics, ended: Make) -> None:
    name = "gen_ai_server_request_duration_seconds_count"
    for count in range(1, 4):
        metrics(ended())
        assert value(metrics, name) == count
    for _ in range(1_000):
        metrics(ended())
        assert len(metrics._ended) < 200
    assert value(metrics, name) == 1_003


def test_two_servers_in_one_process_count_apart(ended: Make) -> None:
    one, other = Metrics(known_model=lambda _: True), Metrics(known_model=lambda _: True)
    one(ended())
    assert value(other, "gen_ai_server_request_duration_seconds_count") == 0


def test_labels_cannot_break_the_page(ended: Make) -> None:
    metrics = Metrics(known_model=lambda _: True)
    metrics(ended(model='a"}\nllms_forged_total 1\\'))
    assert (
        value(metrics, "llms_requests_total", provider="openai", model='a"}\nllms_forged_total 1\\', status="200") == 1
    )
    assert not any(name == "llms_forged_total" for name, _ in samples(metrics))
