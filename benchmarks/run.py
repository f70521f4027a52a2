"""Compare `llms serve` with a raw byte relay, and with nginx, on this machine."""

import argparse
import itertools
import os
import platform
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import orjson

from benchmarks.aims import aims_text
from benchmarks.cores import Cores, choose_cores, on_core
from benchmarks.interrupt import raise_on_signals
from benchmarks.launch import Command, PeerFailed, Running, started
from benchmarks.load import Plan
from benchmarks.machine import machine, versions
from benchmarks.measure import measure_help, measure_idle, measure_load, measure_open, warm_up
from benchmarks.peers import (
    COMMANDS,
    DIRECT,
    LASTING,
    NGINX,
    OURS,
    RELAY,
    TWO,
    help_command,
    nginx_program,
    upstream_command,
)
from benchmarks.report import fault_counts, summary, table_text
from benchmarks.scenarios import DIRECT_TOO, HELP, LOADS, OPEN, OPEN_PLAN, ORDER, OURS_ONLY, START, Shot, quick_plan
from benchmarks.standins import STANDINS, standin
from benchmarks.visit import Outcome

ROUNDS, QUICK_ROUNDS, MOST_ROUNDS = 3, 1, 50
SOCKETS_WANTED = 16_384
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Bench:
    """What stays the same from round to round."""

    upstream: Running
    peers: dict[str, Running]
    cores: Cores
    folders: Iterator[Path]
    tags: Iterator[str]
    quick: bool
    standins: dict[str, Running] = field(default_factory=dict)
    """Servers of single scenarios."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when all ran without a fault, 1 when not, 130 when interrupted."""
    options = read_options(arguments)
    raise_on_signals()
    allow_many_sockets()
    try:
        return run(options)
    except KeyboardInterrupt:
        say("interrupted; every process that was started has been ended")
        return INTERRUPTED


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; exits with 2 and says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of half the length")
    parser.add_argument("--rounds", type=_rounds, help=f"default {ROUNDS}, with --quick {QUICK_ROUNDS}")
    parser.add_argument("--scenarios", type=_scenarios, default=list(ORDER), help=",".join(ORDER))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value to FILE as well")
    parser.add_argument("--nginx", action="store_true", help="compare with nginx too")
    parser.add_argument("--workers", action="store_true", help="compare with two workers of ours too")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"argument --json: there is no folder {options.json.parent}")
    return options


def _rounds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_ROUNDS}")
    return int(text)


def _scenarios(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in ORDER]:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; choose from {','.join(ORDER)}")
    return [name for name in ORDER if name in names]


def allow_many_sockets() -> None:
    """Raise the limit of open files for this program and all that it starts."""
    if os.name == "posix":
        import resource  # absent elsewhere

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = SOCKETS_WANTED if most == resource.RLIM_INFINITY else min(SOCKETS_WANTED, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def say(text: str) -> None:
    """Report progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def run(options: argparse.Namespace) -> int:
    """Start everything, go round after round, print the table."""
    names = [RELAY, *([NGINX] if options.nginx else []), OURS, *([TWO] if options.workers else [])]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="llms-bench-")))
        cores = choose_cores()
        stack.enter_context(on_core(cores.load))
        folders = (folder / str(number) for number in itertools.count())
        upstream = stack.enter_context(_start_upstream(folders, cores))
        bench = Bench(upstream, {}, cores, folders, unique_tags(), options.quick)
        skipped = _start_peers(bench, names, stack) | _start_standins(bench, options.scenarios, stack)
        shots = [
            shot
            for number in range(options.rounds)
            for shot in play_round(bench, number, options.scenarios, rounds=options.rounds)
        ]
    print(_heading(options.rounds, cores) + "\n\n" + table_text(shots))
    print(f"\n{_origin(options, cores)}\n\n{aims_text(shots)}")
    for name, reason in skipped.items():
        print(f"! {name} skipped: {reason}")
    if options.json is not None:
        options.json.write_bytes(_as_json(shots, skipped, options.rounds, cores))
    return 1 if skipped or sum(fault_counts(shots).values()) else 0


def _start_upstream(folders: Iterator[Path], cores: Cores) -> AbstractContextManager[Running]:
    return started(DIRECT, upstream_command, upstream_port=0, folder=next(folders), core=cores.load)


def unique_tags() -> Iterator[str]:
    """Name requests; a random start keeps an answer of an earlier run from passing for one of this run."""
    start = secrets.randbits(32)
    return (f"{(start + number) % 2**32:08x}" for number in itertools.count())


def _start_peers(bench: Bench, names: Sequence[str], stack: ExitStack) -> dict[str, str]:
    """Start and warm each peer; return those that failed, with the reason."""
    skipped = {}
    for name in names:
        say(f"starting {name}")
        try:
            peer = stack.enter_context(_start(bench, name, LASTING[name]))
            bench.peers[name] = peer
            found = warm_up(peer, bench.tags).faults
        except PeerFailed as problem:
            skipped[name] = str(problem)
            continue
        if found.total:
            skipped[name] = f"its first answers are wrong: {found.first}"
            del bench.peers[name]
    return skipped


def _start_standins(bench: Bench, scenarios: Sequence[str], stack: ExitStack) -> dict[str, str]:
    """Start and warm the servers that single scenarios need; return those that failed, with the reason."""
    skipped = {}
    for name in [scenario for scenario in scenarios if scenario in STANDINS]:
        cores = bench.cores.load, bench.cores.proxy
        server = standin(name, upstream_port=bench.upstream.port, folder=next(bench.folders), cores=cores)
        try:
            bench.standins[name] = stack.enter_context(server)
        except PeerFailed as problem:
            skipped[name] = str(problem)
            continue
        warm_up(bench.standins[name], bench.tags)
    return skipped


def _start(bench: Bench, name: str, command: Command) -> AbstractContextManager[Running]:
    folder, core = next(bench.folders), bench.cores.proxy
    return started(name, command, upstream_port=bench.upstream.port, folder=folder, core=core)


def play_round(bench: Bench, number: int, names: Sequence[str], *, rounds: int) -> Iterator[Shot]:
    """Visit all peers in turn within each scenario; another peer comes first in each round."""
    for name in names:
        say(f"round {number + 1}/{rounds}: {name}")
        peers = list(bench.peers)
        turn = number % len(peers) if peers else 0
        for peer in [*([DIRECT] if name in DIRECT_TOO else []), *peers[turn:], *peers[:turn]]:
            if (name not in OURS_ONLY or peer == OURS) and (name not in STANDINS or name in bench.standins):
                yield take_shot(bench, number, name, peer)


def take_shot(bench: Bench, number: int, name: str, peer: str) -> Shot:
    """Measure one scenario at one peer; a failure becomes a fault of the shot."""
    try:
        values, outcome = _measure(bench, name, peer)
    except (PeerFailed, subprocess.SubprocessError) as problem:
        return Shot(number, name, peer, faults={"failed": 1}, first_fault=str(problem))
    faults = outcome.faults
    return Shot(number, name, peer, values, dict(faults.counts), faults.first)


def _measure(bench: Bench, name: str, peer: str) -> tuple[dict[str, float], Outcome]:
    if name == HELP:
        return measure_help(help_command(), folder=next(bench.folders), core=bench.cores.proxy), Outcome()
    if name == START:
        with _start(bench, peer, COMMANDS[peer]) as fresh:
            return measure_idle(fresh), Outcome()
    if name == OPEN:
        with _start(bench, peer, COMMANDS[peer]) as fresh:
            return measure_open(fresh, _sized(bench, OPEN_PLAN), bench.tags)
    running = bench.upstream if peer == DIRECT else bench.standins.get(name) or bench.peers[peer]
    return measure_load(running, _sized(bench, LOADS[name]), bench.tags)


def _sized(bench: Bench, plan: Plan) -> Plan:
    return quick_plan(plan) if bench.quick else plan


def _heading(rounds: int, cores: Cores) -> str:
    load = "/".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    python = f"Python {platform.python_version()}"
    return f"rounds: {rounds}; {python}; {cores}; system load {load}"


def _origin(options: argparse.Namespace, cores: Cores) -> str:
    """Tell where, with what, when and by which command a table came about."""
    command = [*(["--nginx"] if options.nginx else []), *(["--workers"] if options.workers else [])]
    if options.quick:
        command.append("--quick")
    if options.rounds != (QUICK_ROUNDS if options.quick else ROUNDS):
        command.append(f"--rounds {options.rounds}")
    if options.scenarios != list(ORDER):
        command.append(f"--scenarios {','.join(options.scenarios)}")
    made_with = versions(nginx_program() if options.nginx else None)
    words = " ".join(["python -m benchmarks", *command])
    return f"{machine()}, {cores}; {made_with}; {date.today().isoformat()}:\n\n    {words}"


def _as_json(shots: Sequence[Shot], skipped: dict[str, str], rounds: int, cores: Cores) -> bytes:
    document = {
        "heading": _heading(rounds, cores),
        "rounds": rounds,
        "figures": summary(shots),
        "faults": fault_counts(shots),
        "skipped": skipped,
        "shots": [shot.as_json() for shot in shots],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
