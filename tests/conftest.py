"""What every test may lean on."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.matrix import table

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

# A shell starts its background jobs deaf to Ctrl-C, and whatever they start is deaf as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


COMPILED: Final = "llama-cpp-python"
"""Has no ready-made package and takes minutes to compile: where it is missing, its tests are left to another run."""


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let a module of tests be skipped as a single test may be."""
    report = yield
    if report.skipped and os.environ.get("LLMS_TESTS_STRICT") and not _is_left_out(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"a skip is a failure here: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left to another run, and show the matrix of dialects and providers where it was tried."""
    left_out = sum(_is_left_out(str(report.longrepr)) for report in terminalreporter.stats.get("skipped", []))
    if left_out:
        terminalreporter.write_line(f"NOT RUN: {left_out} groups of tests of {COMPILED}; `make nightly` compiles it")
    stats = terminalreporter.stats
    for line in table.lines([*stats.get("passed", []), *stats.get("failed", [])]):
        terminalreporter.write_line(line)


def _is_left_out(reason: str) -> bool:
    return COMPILED in reason


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is expected to be installed."""
    report = yield
    if report.skipped and os.environ.get("LLMS_TESTS_STRICT") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if _is_left_out(reason):
            return report
        report.outcome = "failed"
        report.longrepr = f"a skip is a failure here: {reason}"
    return report
