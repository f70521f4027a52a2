"""The table of aims tells ratios, marks what was missed, and leaves out what was not measured."""

from benchmarks.aims import AIMS, aims_text
from benchmarks.cores import Cores
from benchmarks.report import FIGURES
from benchmarks.run import _origin, read_options
from benchmarks.scenarios import Shot


def row(text: str, words: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {words}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_every_aim_is_a_figure_of_the_report() -> None:
    assert {aim.label for aim in AIMS} <= {figure.label for figure in FIGURES}


def test_a_ratio_over_its_aim_is_marked() -> None:
    costs = (("relay", 100.0), ("nginx", 20.0), ("ours", 50.0))
    shots = [Shot(1, "small", peer, {"cpu_us_per_request": us}) for peer, us in costs]
    shots += [Shot(1, "paced", peer, {"cpu_us_per_chunk": us}) for peer, us in (("nginx", 10.0), ("ours", 11.0))]
    text = aims_text(shots)
    assert row(text, "CPU per small request") == ["50.0 µs", "0.50*", "2.50", "≤ 0.45 × relay"]
    assert row(text, "CPU per streamed chunk, 20") == ["11.0 µs", "–", "1.10", "≤ 1.2 × nginx"]
    assert "200 paced" not in text


def test_a_translated_chunk_is_told_by_what_it_costs_beyond_a_relayed_one() -> None:
    costs = (("paced", 12.0), ("chat-of-messages", 16.5), ("chat-of-gemini", 18.0))
    text = aims_text([Shot(1, name, "ours", {"cpu_us_per_chunk": us}) for name, us in costs])
    assert row(text, "chunk translated from Messages") == ["+4.5 µs", "–", "–", "≤ 5 µs"]
    assert row(text, "chunk translated from Gemini") == ["+6.0 µs*", "–", "–", "≤ 5 µs"]


def test_figures_without_a_ratio_and_faults_are_judged_by_themselves() -> None:
    shots = [Shot(1, "start", "ours", {"idle_mib": 50.0, "ready_s": 0.3}, {"lost": 2}, "lost")]
    text = aims_text(shots)
    assert row(text, "memory when idle") == ["50.0 MiB*", "–", "–", "≤ 48 MiB"]
    assert row(text, "start until ready") == ["0.30 s", "–", "–", "≤ 0.35 s"]
    assert row(text, "lost, altered")[0] == "2*"


def test_the_head_holds_the_command_that_reproduces_the_table() -> None:
    options = read_options(["--scenarios", "paced,small", "--rounds", "5"])
    assert _origin(options, Cores()).endswith("\n    python -m benchmarks --rounds 5 --scenarios small,paced")
    assert _origin(read_options([]), Cores()).endswith("    python -m benchmarks")
