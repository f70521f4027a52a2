"""Slots that several workers share: never more than there are, and nothing stays with a worker that is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.stores.crew import Crew
from llms.stores.tally import Tally


class Nanoseconds:
    def __init__(self) -> None:
        self.now = 1

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Nanoseconds:
    return Nanoseconds()


@pytest.fixture
def tallies(tmp_path: Path, clock: Nanoseconds) -> list[Tally]:
    return [Tally(tmp_path / "p.tally", place=place, count=3, clock=clock) for place in range(3)]


def test_all_workers_together_hold_no_more_than_the_limit(tallies: list[Tally]) -> None:
    one, other, _ = tallies
    assert (one.take(2, in_line=False), other.take(2, in_line=False)) == (True, True)
    assert not one.take(2, in_line=False)
    other.give()
    assert one.take(2, in_line=False)


def test_lines_take_turns(tallies: list[Tally]) -> None:
    one, other, third = tallies
    one.take(1, in_line=False)
    for tally, depth in ((other, 5), (third, 1), (one, 5)):
        tally.line(depth)
    assert one.waiting == 11

    order = []
    one.give()
    for _ in range(4):
        (served,) = [tally for tally in tallies if tally.take(1, in_line=True)]
        order.append(tallies.index(served))
        served.give()
        if served is third:
            served.line(0)
    assert order == [1, 2, 0, 1]


def test_who_comes_waits_behind_every_line(tallies: list[Tally]) -> None:
    one, other, _ = tallies
    other.line(1)
    assert not one.take(1, in_line=False)
    assert other.take(1, in_line=True)


def test_a_line_that_nobody_looks_after_keeps_nobody(tallies: list[Tally], clock: Nanoseconds) -> None:
    one, other, _ = tallies
    other.line(1)
    clock.now += 1_000_000_000
    assert one.take(1, in_line=False)


def test_a_full_disk_is_told_when_the_file_is_made_and_not_by_a_crash_later(tmp_path: Path) -> None:
    path = tmp_path / "p.tally"
    _tally = Tally(path, place=0, count=2)
    assert path.stat().st_blocks > 0


def test_what_a_worker_held_is_cleared(tmp_path: Path) -> None:
    crews = [Crew(tmp_path, place, 2) for place in range(2)]
    one, other = (crew.tally("a provider/with ünusual name") for crew in crews)
    other.take(1, in_line=False)
    other.line(3)
    assert not one.take(1, in_line=False)
    crews[0].leave()
    assert not one.take(1, in_line=False)
    crews[1].leave()
    assert one.take(1, in_line=False)
    assert one.waiting == 0


@given(moves=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["take", "give"]))), limit=st.integers(1, 3))
def test_the_limit_holds_whatever_they_do(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, str]], limit: int
) -> None:
    path = tmp_path_factory.mktemp("crew") / "p.tally"
    tallies = [Tally(path, place=place, count=3) for place in range(3)]
    held = [0, 0, 0]
    for place, move in moves:
        if move == "take":
            assert tallies[place].take(limit, in_line=False) is (sum(held) < limit)
            held[place] += sum(held) < limit
        elif held[place]:
            tallies[place].give()
            held[place] -= 1


GRAB = """
import sys
from pathlib import Path
from llms.stores.tally import Tally

tally, most = Tally(Path(sys.argv[1]), place=int(sys.argv[2]), count=4), 0
for _ in range(5000):
    if tally.take(2, in_line=False):
        most = max(most, sum(tally._cells[0::4]))
        tally.give()
print(most)
"""


def test_real_processes_at_once_never_exceed_it(tmp_path: Path) -> None:
    path = tmp_path / "p.tally"
    workers = [
        subprocess.Popen([sys.executable, "-c", GRAB, str(path), str(place)], stdout=subprocess.PIPE)
        for place in range(3)
    ]
    assert all(1 <= int(worker.communicate(timeout=60)[0]) <= 2 for worker in workers)
    tally = Tally(path, place=3, count=4)
    assert tally.take(1, in_line=False)


def test_a_process_that_is_killed_keeps_no_lock(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "p.tally", place=0, count=2)
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        other = Tally(tmp_path / "p.tally", place=1, count=2)
        with other._locked():
            os.write(writer, b"!")
            signal.pause()
    os.read(reader, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert tally.take(1, in_line=False)
