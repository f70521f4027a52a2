"""Counters and gauges that only the event loop writes to; what Prometheus reads is imported when it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from prometheus_client import Metric


@final
class Count:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Count on."""
        self.value += amount


@final
class Counter:
    """Series of one name, told apart by the values of its labels."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        """Take name and labels; without labels its one series is there from the start."""
        self._name = name
        self._text = text
        self._labels = labels
        self._series: dict[tuple[str, ...], Count] = {}
        if not labels:
            self.labels()

    def labels(self, *values: str) -> Count:
        """Return the series with these values of the labels, made where there is none."""
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = Count()
        return found

    def inc(self, amount: float = 1.0) -> None:
        """Count on, where there are no labels."""
        self._series[()].inc(amount)

    def collect(self) -> Iterator[Metric]:
        """Yield the family for an exposition."""
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, count in self._series.items():
            family.add_metric(values, count.value)
        yield family


@final
class Gauge:
    """A value that is asked for when Prometheus asks, or one for each value of a label."""

    def __init__(self, name: str, text: str, *, label: str | None = None) -> None:
        """Take name and label; it is 0, or nothing, until `ask` says where values come from."""
        self._name = name
        self._text = text
        self._label = label
        self._told: Callable[[], Mapping[str, float]] = lambda: {} if label else {"": 0.0}

    def ask(self, told: Callable[[], Mapping[str, float]]) -> None:
        """Take the function that returns the values by label."""
        self._told = told

    def ask_one(self, told: Callable[[], float]) -> None:
        """Take the function that returns the value, where there is no label."""
        self._told = lambda: {"": told()}

    def collect(self) -> Iterator[Metric]:
        """Yield the family for an exposition."""
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(self._name, self._text, labels=[self._label] if self._label else [])
        for label, value in self._told().items():
            family.add_metric([label] if self._label else [], value)
        yield family
