"""How many threads a local model takes by default, read from a made-up machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from llms.providers.llama_cpp.cores import default_threads


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 2), (8, 7)])
def test_it_leaves_one_core_to_others(tmp_path: Path, cores: int, threads: int) -> None:
    assert default_threads(root=tmp_path, cores=range(cores)) == threads


def test_hyper_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for core in range(8):
        write(
            tmp_path / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list", f"{core % 4},{core % 4 + 4}"
        )
    assert default_threads(root=tmp_path, cores=range(8)) == 3


@pytest.mark.parametrize(
    ("limit", "threads"),
    [("max 100000", 15), ("400000 100000", 3), ("350000 100000", 3), ("50000 100000", 1), ("rubbish", 15), ("", 15)],
)
def test_a_container_grants_less(tmp_path: Path, limit: str, threads: int) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu.max", limit)
    assert default_threads(root=tmp_path, cores=range(16)) == threads


def test_any_enclosing_group_may_set_the_limit(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/a.slice/b.service")
    write(tmp_path / "sys/fs/cgroup/a.slice/cpu.max", "600000 100000")
    write(tmp_path / "sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000")
    assert default_threads(root=tmp_path, cores=range(16)) == 5


def test_the_old_kind_of_group_counts_too(tmp_path: Path) -> None:
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000")
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert default_threads(root=tmp_path, cores=range(16)) == 3
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
    assert default_threads(root=tmp_path, cores=range(16)) == 15


def test_this_machine_grants_at_least_one() -> None:
    assert default_threads() >= 1
