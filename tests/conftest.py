"""What every test may lean on."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.fast_path import EITHER, FAST_PATH, OF_THEIR_OWN
from tests.matrix import table

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

# A shell starts its background jobs deaf to Ctrl-C, and whatever they start is deaf as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


COMPILED: Final = "llama-cpp-python"
"""Has no ready-made package and takes minutes to compile: where it is missing, its tests are left to another run."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep what is served here, and by processes that are started here, out of the user's own data directory."""
    place = tempfile.TemporaryDirectory(prefix="llms-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(place.cleanup)
    # The second counts where an environment is made up that has not the first.
    for name in ("LLMS_DATA_DIR", "XDG_DATA_HOME"):
        os.environ.setdefault(name, place.name)


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to a run without the fast path what can tell it apart: tests that serve in this process, as it says."""
    if FAST_PATH:
        return
    other = [item for item in items if not _serves_as_told(item)]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if _serves_as_told(item)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take a run without the fast path for good where none of its tests were asked for."""
    if not FAST_PATH and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _serves_as_told(item: pytest.Item) -> bool:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    module = getattr(item, "module", None)
    of_its_own = any(item.get_closest_marker(name) for name in OF_THEIR_OWN)
    return folder in EITHER and not of_its_own and hasattr(module, "serving")


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
