"""The table takes its ratios within a round and tells every fault."""

from benchmarks.report import fault_counts, ratio, summary, table_text
from benchmarks.scenarios import Shot

SMALL = "CPU µs per request, small"


def small(number: int, peer: str, value: float) -> Shot:
    return Shot(number, "small", peer, {"cpu_us_per_request": value})


def test_ratios_are_taken_within_a_round_and_their_median_counts() -> None:
    shots = [small(n, "relay", 100.0 * n) for n in (1, 2, 3)] + [
        small(1, "ours", 50.0),
        small(2, "ours", 100.0),
        small(3, "ours", 600.0),
    ]
    assert summary(shots)[SMALL] == {"relay": 200.0, "ours": 100.0, "ours/relay": 0.5}


def test_rounds_that_only_one_side_has_don_t_count() -> None:
    assert ratio({1: 2.0, 2: 8.0}, {1: 1.0}) == 2.0
    assert ratio({2: 8.0}, {1: 1.0}) is None
    assert ratio({1: 2.0}, {1: 0.0}) is None


def test_added_latency_leaves_out_what_the_upstream_took() -> None:
    shots = [Shot(1, "latency", peer, {"latency_p50_us": us}) for peer, us in (("direct", 90.0), ("ours", 250.0))]
    assert summary(shots)["added latency p50 µs"] == {"ours": 160.0}


def test_other_ways_of_asking_are_compared_with_plain_chat() -> None:
    costs = [("paced", 1, 10.0), ("paced", 2, 40.0), ("resumable", 1, 15.0), ("resumable", 2, 40.0)]
    shots = [Shot(number, name, "ours", {"cpu_us_per_chunk": us}) for name, number, us in costs]
    assert summary(shots)["CPU µs per chunk, resumable chat"] == {"ours": 27.5, "ours/paced": 1.25}


def test_the_table_shows_figures_and_faults() -> None:
    shots = [
        small(1, "relay", 100.0),
        Shot(1, "small", "ours", {"cpu_us_per_request": 125.0}, {"lost": 2, "done": 1}, "lost: 2 of 9 chunks"),
    ]
    lines = table_text(shots).splitlines()
    assert lines[0].split() == ["relay", "ours", "ours/relay"]
    assert lines[1].split()[-3:] == ["100.0", "125.0", "1.25"]
    assert lines[2].split()[-3:] == ["0", "3", "-"]
    assert lines[3] == "! ours, small, round 1: 1 done, 2 lost; lost: 2 of 9 chunks"
    assert fault_counts(shots) == {"relay": 0, "ours": 3}
