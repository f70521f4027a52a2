"""The command line says what is wrong; processes end with their block."""

import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from benchmarks.cost import cpu_us, own_kib, rss_kib, tree_pids
from benchmarks.launch import PeerFailed, started
from benchmarks.peers import upstream_command
from benchmarks.run import read_options


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rounds", "0"], "'0' is not a number from 1 to 50"),
        (["--rounds", "many"], "'many' is not a number"),
        (["--scenarios", "small,larg"], "unknown larg; choose from start,help"),
        (["--json", "/no/such/folder/x.json"], "there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_scenarios_keep_their_own_order() -> None:
    assert read_options(["--scenarios", "paced,small"]).scenarios == ["small", "paced"]


def test_a_process_is_measured_and_ends_with_its_block(tmp_path: Path) -> None:
    with started("upstream", upstream_command, upstream_port=0, folder=tmp_path / "one", core=None) as running:
        assert tree_pids(running.pid) == [running.pid]
        assert cpu_us(running.pid) > 1000
        assert rss_kib(running.pid) >= own_kib(running.pid) > 1000
    assert not psutil.pid_exists(running.pid)
    assert cpu_us(running.pid) == 0


def test_a_process_that_ends_too_early_is_reported_with_its_words(tmp_path: Path) -> None:
    def command(port: int, upstream_port: int, folder: Path) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no such setting')"]

    with (
        pytest.raises(PeerFailed, match=r"ended with code 1 .*\n.*no such setting"),
        started("broken", command, upstream_port=0, folder=tmp_path / "one", core=None),
    ):
        pytest.fail("it was never ready")
