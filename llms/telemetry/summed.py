"""Pages of metrics made one: the same page of several workers, added up series by series.

Every page is written by the same code, so that a series has the same words everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client.utils import floatToGoString

_LEAST: Final = frozenset({"llms_provider_up", "process_max_fds", "process_start_time_seconds"})
"""Gauges of which the least counts: a provider is up where all say so, a bound is that of one process."""
_GAUGE: Final = "gauge"

Series = dict[str, float]


def total(pages: Iterable[bytes]) -> bytes:
    """Return the sum of some pages: counters, histograms, and gauges, but for those of which the least counts."""
    heads: dict[str, list[str]] = {}
    sums: dict[str, Series] = {}
    for page in pages:
        for name, head, series in _families(page):
            heads.setdefault(name, head)
            found = sums.setdefault(name, {})
            for key, value in series.items():
                found[key] = _joined(name, found[key], value) if key in found else value
    return _written((head, sums[name]) for name, head in heads.items())


def lasting(page: bytes) -> bytes:
    """Return what of a page stays true when its process is gone: all but the gauges."""
    return _written((head, series) for _, head, series in _families(page) if not head[-1].endswith(f" {_GAUGE}"))


def reading(page: bytes, series: str) -> float:
    """Return the value of one series of a page; 0 where it is not there."""
    return next((found[series] for _, _, found in _families(page) if series in found), 0.0)


def _families(page: bytes) -> list[tuple[str, list[str], Series]]:
    """Return name, lines of HELP and TYPE, and values of what a page tells."""
    found: list[tuple[str, list[str], Series]] = []
    for line in page.decode().splitlines():
        if line.startswith("# HELP "):
            found.append((line.split(" ", 3)[2], [line], {}))
        elif line.startswith("# TYPE "):
            found[-1][1].append(line)
        elif line:
            key, _, value = line.rpartition(" ")
            found[-1][2][key] = float(value)
    return found


def _joined(name: str, one: float, other: float) -> float:
    return min(one, other) if name in _LEAST else one + other


def _written(families: Iterable[tuple[list[str], Series]]) -> bytes:
    lines: list[str] = []
    for head, series in families:
        lines += head
        lines += map("{} {}".format, series, map(floatToGoString, series.values()))
    return "".join(f"{line}\n" for line in lines).encode()
