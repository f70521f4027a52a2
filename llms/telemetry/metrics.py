"""The figures of the process for Prometheus, kept up to date by events."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar, final, get_args

from llms.protocol.chat import Usage
from llms.protocol.errors import LlmsError
from llms.protocol.events import Event, HttpEnded, Outcome, RequestEnded, Window
from llms.telemetry.counter import Counter, Gauge
from llms.telemetry.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
"""The label of what is not in a bounded set: unlisted models, codes that an upstream made up."""
NONE: Final = "none"
"""The label of a provider where no target was reached."""

_DURATIONS: Final = (*(0.01 * 2**n for n in range(14)), 300.0, 900.0)
_FIRST_TOKEN: Final = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 120.0)
_PER_TOKEN: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_TOKENS: Final = tuple(4**n for n in range(14))
_WAITS: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_OVERHEADS: Final = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5)

_MOST_HELD: Final = 128

Family = TypeVar("Family", Histogram, Counter, Gauge)

_CODES_WITHOUT_CLASS: Final = frozenset({"abandoned", "host_not_allowed", "origin_not_allowed", "server_stopping"})


@final
class Metrics:
    """Observe events, count what has no event, and write it all down when Prometheus asks.

    Labels are bounded: providers are configured, a model is one that `known_model` knows or `other`, a code is one
    of ours or `other`. The label of a model is the upstream's id, or the client's where no target was reached.
    """

    def __init__(self, *, known_model: Callable[[str], bool]) -> None:
        self._known_model = known_model
        self._known_codes = _CODES_WITHOUT_CLASS | set(_codes(LlmsError))
        self._families: list[Histogram | Counter | Gauge] = []
        self._define_requests()
        self._define_server()
        self._ended: list[RequestEnded] = []
        """Held until somebody asks, or until they are many: counted together, they cost less."""

    def _define_requests(self) -> None:
        name = "gen_ai_server_request_duration_seconds"
        self._duration = self._add(Histogram(name, _DURATIONS, "Whole requests.")).series()
        name = "gen_ai_server_time_to_first_token_seconds"
        self._ttft = self._add(Histogram(name, _FIRST_TOKEN, "Until a stream's first chunk.")).series()
        name = "gen_ai_server_time_per_output_token_seconds"
        self._tpot = self._add(
            Histogram(name, _PER_TOKEN, "For each token of a stream after its first chunk.")
        ).series()
        name = "gen_ai_client_token_usage"
        tokens = self._add(Histogram(name, _TOKENS, "Tokens that upstreams reported.", label="gen_ai_token_type"))
        self._input, self._output = tokens.series("input"), tokens.series("output")
        name = "llms_queue_wait_seconds"
        self._waits = self._add(Histogram(name, _WAITS, "Wait for a free slot of a provider.")).series()
        self._requests = self._add(
            Counter("llms_requests_total", "Requests that ended.", "provider", "model", "status")
        )
        self._errors = self._add(Counter("llms_errors_total", "Answers with an error code.", "code"))
        self._retries = self._add(Counter("llms_retries_total", "Attempts at the same target again."))
        self._fallbacks = self._add(Counter("llms_fallbacks_total", "Attempts at the next target."))
        cancelled = self._add(Counter("llms_cancelled_total", "Requests whose client left.", "stage"))
        self._cancelled = {window: cancelled.labels(window) for window in get_args(Window)}
        self._truncated = self._add(Counter("llms_truncated_total", "Streams that an upstream ended too early."))
        ended = self._add(Counter("llms_streams_total", "Streams that ended.", "outcome"))
        self._streams_ended = {outcome: ended.labels(outcome) for outcome in get_args(Outcome)}
        self._shared = self._add(Counter("llms_shared_total", "Requests that another one's answer was for, too."))
        cache = self._add(Counter("llms_cache_total", "Requests whose answer may be kept: was it?", "result"))
        self._cache = {result: cache.labels(result) for result in ("hit", "miss")}

    def _define_server(self) -> None:
        self._active = self._add(Gauge("llms_active_requests", "Requests under way."))
        self._streams = self._add(Gauge("llms_active_streams", "Streams among them."))
        self._queued = self._add(Gauge("llms_queue_depth", "Requests that wait for a slot."))
        self._tasks = self._add(Gauge("llms_tasks", "Tasks of the event loop."))
        what = "1 when it could be built and, when last asked, told what it serves."
        self._up = self._add(Gauge("llms_provider_up", what, label="provider"))
        self._resumed = self._add(Counter("llms_resumed_total", "Streams that a client took up again."))
        name = "llms_overhead_seconds"
        overhead = self._add(Histogram(name, _OVERHEADS, "Time in our own code.", label="component"))
        self._before_upstream = overhead.series("before_upstream")
        self._after_upstream = overhead.series("after_upstream")

    def _add(self, family: Family) -> Family:
        self._families.append(family)
        return family

    def watch(
        self,
        *,
        active_requests: Callable[[], float],
        active_streams: Callable[[], float],
        queued: Callable[[], float],
        tasks: Callable[[], float],
        providers_up: Callable[[], Mapping[str, bool]],
    ) -> None:
        """Take the functions that tell the gauges' values; they are called for each exposition."""
        self._active.ask_one(active_requests)
        self._streams.ask_one(active_streams)
        self._queued.ask_one(queued)
        self._tasks.ask_one(tasks)
        self._up.ask(providers_up)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestEnded):
            self._ended.append(event)
            if len(self._ended) == _MOST_HELD:
                self.settle()
        elif isinstance(event, HttpEnded) and event.error_code is not None:
            self._count_error(event.error_code)

    def settle(self) -> None:
        """Count the requests that are held: with the models that are known now."""
        ended, self._ended = self._ended, []
        self._count(ended)
        self._count_tokens([event.usage for event in ended])
        self._count_streams([event for event in ended if event.stream])
        for event in ended:
            if event.outcome != "ok":
                self._count_failure(event)

    def _count(self, ended: Sequence[RequestEnded]) -> None:
        labels = [(event.provider, event.model or event.asked_model, event.status) for event in ended]
        for (provider, model, status), count in collections.Counter(labels).items():
            known = model if self._known_model(model) else OTHER
            self._requests.labels(provider or NONE, known, str(status)).inc(count)
        self._duration.observe([event.duration for event in ended])
        self._waits.observe([event.queued for event in ended])
        self._before_upstream.observe([event.overhead for event in ended if event.attempts])
        self._after_upstream.observe([event.after_upstream for event in ended if event.after_upstream is not None])
        self._retries.inc(sum([event.retries for event in ended]))
        self._fallbacks.inc(sum([event.fallbacks for event in ended]))
        for cache in [event.cache for event in ended if event.cache]:
            self._cache[cache].inc()

    def _count_tokens(self, usages: Sequence[Usage]) -> None:
        reported = [usage for usage in usages if usage.source == "reported"]
        self._input.observe([usage.prompt_tokens for usage in reported if usage.prompt_tokens])
        self._output.observe([usage.completion_tokens for usage in reported if usage.completion_tokens])
        self._shared.inc(sum([usage.source == "shared" for usage in usages]))

    def _count_streams(self, ended: Sequence[RequestEnded]) -> None:
        for event in ended:
            self._streams_ended[event.outcome].inc()
            if event.ttft is None:
                continue
            self._ttft.observe((event.ttft,))
            later_tokens = event.usage.completion_tokens - 1
            if later_tokens > 0 and event.outcome == "ok":
                self._tpot.observe(((event.duration - event.ttft) / later_tokens,))

    def _count_failure(self, event: RequestEnded) -> None:
        if event.error_code is not None:
            self._count_error(event.error_code)
        if event.window is not None:
            self._cancelled[event.window].inc()
        if event.outcome == "truncated":
            self._truncated.inc()

    def _count_error(self, code: str) -> None:
        self._errors.labels(code if code in self._known_codes else OTHER).inc()

    def count_resumed(self) -> None:
        """Count a stream that a client took up again."""
        self._resumed.inc()

    def exposition(self) -> tuple[bytes, str]:
        """Return body and content type of `GET /metrics`."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        self.settle()
        registry = CollectorRegistry()
        for family in self._families:
            registry.register(family)
        ProcessCollector(registry=registry)
        return generate_latest(registry), CONTENT_TYPE


def _codes(error: type[LlmsError]) -> Iterator[str]:
    yield error.default_code
    for kind in error.__subclasses__():
        yield from _codes(kind)
