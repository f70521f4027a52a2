"""Turn shots into the table: medians over rounds, and ratios taken within each round."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.peers import DIRECT, NGINX, OURS, RELAY, TWO
from benchmarks.scenarios import Shot
from benchmarks.standins import REDIS, UNUSED

LABEL_WIDTH, COLUMN_WIDTH = 42, 12
BESIDE = f"{OURS}/paced"
QUOTIENTS = ((OURS, RELAY), (OURS, NGINX), (TWO, OURS))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table; `added` subtracts what the upstream itself took in the same round."""

    label: str
    scenario: str
    value: str
    digits: int = 1
    added: bool = False
    beside: str = ""
    """The scenario whose figure this one is compared with, both ours."""


FIGURES = [
    Figure("CPU µs per request, small", "small", "cpu_us_per_request"),
    Figure("CPU µs per request, 200 KB prompt", "prompt", "cpu_us_per_request"),
    Figure("CPU µs per chunk, 20 paced streams", "paced", "cpu_us_per_chunk"),
    Figure("CPU µs per chunk, Messages as they are", "messages", "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, Responses as they are", "responses", "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, Messages of a chat", "messages-of-chat", "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, Responses of a chat", "responses-of-chat", "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, chat of Messages", "chat-of-messages", "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, chat of Gemini", "chat-of-gemini", "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, resumable chat", "resumable", "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, resumable with Redis", REDIS, "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, plain, never resumable", UNUSED, "cpu_us_per_chunk", beside="paced"),
    Figure("CPU µs per chunk, 200 paced streams", "streams", "cpu_us_per_chunk"),
    Figure("CPU µs per chunk, bursts of 100", "burst", "cpu_us_per_chunk", 2),
    Figure("added latency p50 µs", "latency", "latency_p50_us", 0, added=True),
    Figure("added latency p99 µs", "latency", "latency_p99_us", 0, added=True),
    Figure("added TTFT p50 µs", "ttft", "ttft_p50_us", 0, added=True),
    Figure("added TTFT p99 µs", "ttft", "ttft_p99_us", 0, added=True),
    Figure("KiB per open stream", "open", "kib_per_stream"),
    Figure("idle MiB", "start", "idle_mib"),
    Figure("seconds until ready", "start", "ready_s", 2),
    Figure("seconds of llms --help", "help", "help_s", 3),
]


def figure_by_round(shots: Iterable[Shot], figure: Figure, peer: str) -> dict[int, float]:
    """Collect one figure of one peer by round; rounds without it are left out."""
    found, direct = {}, {}
    for shot in shots:
        if shot.scenario == figure.scenario and figure.value in shot.values:
            if shot.peer == peer:
                found[shot.round] = shot.values[figure.value]
            if shot.peer == DIRECT:
                direct[shot.round] = shot.values[figure.value]
    if not figure.added:
        return found
    return {number: value - direct[number] for number, value in found.items() if number in direct}


def ratio(ours: dict[int, float], other: dict[int, float]) -> float | None:
    """Take the median of the ratios of the same round; None without one round where both are above 0."""
    ratios = [ours[n] / other[n] for n in ours if other.get(n, 0.0) > 0 and ours[n] > 0]
    return median(ratios) if ratios else None


def summary(shots: Sequence[Shot]) -> dict[str, dict[str, float]]:
    """Give each figure's median by peer, and its ratios as "ours/relay" and the like."""
    table = {}
    for figure in FIGURES:
        rounds = {peer: figure_by_round(shots, figure, peer) for peer in (RELAY, NGINX, OURS, TWO)}
        line = {peer: median(values.values()) for peer, values in rounds.items() if values}
        for one, other in QUOTIENTS:
            if (quotient := ratio(rounds[one], rounds[other])) is not None:
                line[f"{one}/{other}"] = quotient
        if figure.beside:
            plain = figure_by_round(shots, replace(figure, scenario=figure.beside), OURS)
            if (quotient := ratio(rounds[OURS], plain)) is not None:
                line[BESIDE] = quotient
        if line:
            table[figure.label] = line
    return table


def fault_counts(shots: Iterable[Shot]) -> dict[str, int]:
    """Count all faults by peer."""
    counts: dict[str, int] = {}
    for shot in shots:
        counts[shot.peer] = counts.get(shot.peer, 0) + sum(shot.faults.values())
    return counts


def table_text(shots: Sequence[Shot]) -> str:
    """Write the table and, below it, the first fault of each scenario that had any."""
    lines, columns = summary(shots), [RELAY, NGINX, OURS, TWO, *(f"{a}/{b}" for a, b in QUOTIENTS), BESIDE]
    columns = [column for column in columns if any(column in line for line in lines.values())]
    digits = {figure.label: figure.digits for figure in FIGURES}
    text = ["".ljust(LABEL_WIDTH) + "".join(column.rjust(COLUMN_WIDTH) for column in columns)]
    for label, line in lines.items():
        cells = (_cell(line.get(column), 2 if "/" in column else digits[label]) for column in columns)
        text.append(label.ljust(LABEL_WIDTH) + "".join(cells))
    faults = fault_counts(shots)
    cells = (_cell(faults.get(column), 0) for column in columns)
    text.append("faults in all answers".ljust(LABEL_WIDTH) + "".join(cells))
    return "\n".join([*text, *_fault_lines(shots)])


def _cell(value: float | None, digits: int) -> str:
    return ("-" if value is None else f"{value:.{digits}f}").rjust(COLUMN_WIDTH)


def _fault_lines(shots: Iterable[Shot]) -> list[str]:
    lines, told = [], set()
    for shot in shots:
        if shot.faults and (shot.peer, shot.scenario) not in told:
            told.add((shot.peer, shot.scenario))
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(shot.faults.items()))
            lines.append(f"! {shot.peer}, {shot.scenario}, round {shot.round}: {counts}; {shot.first_fault}")
    return lines
