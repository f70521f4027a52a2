"""The figures that we aim at, and the run beside them as a table in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.peers import NGINX, OURS, RELAY
from benchmarks.report import FIGURES, Figure, fault_counts, figure_by_round, ratio
from benchmarks.scenarios import Shot

HEADER = ("figure", "ours", "× relay", "× nginx", "aim")
NONE = "–"
PLAIN = "paced"
"""The scenario whose chunks are relayed: translated ones are told by what they cost beyond that."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A row: a figure of the report by its label, in a unit; `most` holds for the ratio to a peer, or for itself."""

    words: str
    label: str
    unit: str
    most: float
    beside: str = ""
    beyond: bool = False
    """Told is what it takes beyond plain chunks in the same round."""


AIMS = (
    Aim("CPU per small request", "CPU µs per request, small", "µs", 0.45, RELAY),
    Aim("CPU per streamed chunk, 20 paced streams", "CPU µs per chunk, 20 paced streams", "µs", 1.2, NGINX),
    Aim("CPU per streamed chunk, 200 paced streams", "CPU µs per chunk, 200 paced streams", "µs", 0.7, RELAY),
    Aim("CPU per chunk in bursts of 100", "CPU µs per chunk, bursts of 100", "µs", 1.2, RELAY),
    Aim("CPU per request with 200 KB of prompt", "CPU µs per request, 200 KB prompt", "µs", 2.8, NGINX),
    Aim("chunk translated from Messages, over relayed", "CPU µs per chunk, chat of Messages", "µs", 5, beyond=True),
    Aim("chunk translated from Gemini, over relayed", "CPU µs per chunk, chat of Gemini", "µs", 5, beyond=True),
    Aim("added latency, p50", "added latency p50 µs", "µs", 1.8, NGINX),
    Aim("added time to the first token, p50", "added TTFT p50 µs", "µs", 2, NGINX),
    Aim("memory per open stream, 1,000 open", "KiB per open stream", "KiB", 12),
    Aim("memory when idle", "idle MiB", "MiB", 48),
    Aim("start until ready", "seconds until ready", "s", 0.35),
    Aim("`llms --help`", "seconds of llms --help", "s", 0.08),
)


def aims_text(shots: Sequence[Shot]) -> str:
    """Write a row for each figure that was measured, and one for all faults; * marks an aim that was missed."""
    rows = [HEADER, ("---", *["---:"] * 4), *(row for aim in AIMS if (row := _row(aim, shots)))]
    faults = sum(fault_counts(shots).values())
    rows.append(("lost, altered or reordered tokens, lost usage, errors", f"{faults}{'*' * (faults > 0)}", "", "", "0"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(aim: Aim, shots: Sequence[Shot]) -> tuple[str, ...] | None:
    figure = next(figure for figure in FIGURES if figure.label == aim.label)
    found = figure_by_round(shots, figure, OURS)
    if aim.beyond:
        plain = figure_by_round(shots, replace(figure, scenario=PLAIN), OURS)
        found = {number: value - plain[number] for number, value in found.items() if number in plain}
    if not found:
        return None
    ours = median(found.values())
    ratios = {} if aim.beyond else {peer: ratio(found, figure_by_round(shots, figure, peer)) for peer in (RELAY, NGINX)}
    judged = ratios[aim.beside] if aim.beside else ours
    cells = [
        _told(ours, figure, aim),
        *(NONE if (r := ratios.get(peer)) is None else f"{r:.2f}" for peer in (RELAY, NGINX)),
    ]
    if judged is not None and judged > aim.most:
        at = 1 + (RELAY, NGINX).index(aim.beside) if aim.beside else 0
        cells[at] += "*"
    bound = f"≤ {aim.most:g} × {aim.beside}" if aim.beside else f"≤ {aim.most:g} {aim.unit}"
    return (aim.words, *cells, bound)


def _told(value: float, figure: Figure, aim: Aim) -> str:
    return f"{value:+.{figure.digits}f} {aim.unit}" if aim.beyond else f"{value:.{figure.digits}f} {aim.unit}"
