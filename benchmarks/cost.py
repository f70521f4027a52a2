"""What a process tree costs: CPU time and memory."""

import sys
import time

import psutil  # type: ignore[import-untyped]

KIB = 1024


def tree_pids(root: int) -> list[int]:
    """List a process and all its descendants; empty when it has ended."""
    try:
        process = psutil.Process(root)
        return [root, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def cpu_us(root: int) -> float:
    """Sum the user and system time of a tree, in microseconds since each process began."""
    total = 0.0
    for pid in tree_pids(root):
        try:
            total += _process_cpu_us(pid)
        except (OSError, psutil.NoSuchProcess):
            continue  # it ended just now
    return total


def _process_cpu_us(pid: int) -> float:
    if sys.platform == "linux":
        # A process's CPU clock counts nanoseconds of all its threads, where /proc/PID/stat counts 10 ms ticks.
        # Its number is made as clock_getcpuclockid(3) makes it: the pid inverted, then CPUCLOCK_SCHED (2).
        return time.clock_gettime_ns((~pid << 3) | 2) / 1000
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system) * 1e6


def rss_kib(root: int) -> float:
    """Sum the resident memory of a tree, pages shared between its processes counted once for each."""
    return _memory_kib(root, "rss")


def own_kib(root: int) -> float:
    """Sum the memory of a tree, each shared page divided by its users where the system knows (PSS)."""
    return _memory_kib(root, "pss" if sys.platform == "linux" else "uss")


def _memory_kib(root: int, kind: str) -> float:
    total = 0.0
    for pid in tree_pids(root):
        try:
            total += getattr(psutil.Process(pid).memory_full_info(), kind) / KIB
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total
