"""Soak a server: `python -m tests.soak --minutes 30 --rate 2000`."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path
from typing import Final

import uvloop

from tests.soak.mix import MIX
from tests.soak.run import Plan, soak
from tests.soak.verdict import progress, report, violations

FILES: Final = 16_384
WARM_UP: Final = 0.1
"""The share of the time that is not measured, and at most so many seconds."""
WARM_UP_SECONDS: Final = 180.0


def main() -> int:
    """Run as the arguments say; return 1 where anything was wrong."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=30.0)
    arguments.add_argument("--rate", type=float, default=2000.0, help="chunks a second, of all streams together")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument(
        "--only", default="", help="the kinds whose names begin so, to find out what a finding is of"
    )
    given = arguments.parse_args()
    mix = [kind for kind in MIX if kind.name.startswith(given.only)]
    if not mix:
        arguments.error(f"--only: nothing begins with {given.only!r}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))
    seconds = given.minutes * 60
    plan = Plan(seconds, min(WARM_UP_SECONDS, seconds * WARM_UP), given.rate, seed=given.seed, mix=mix)
    with tempfile.TemporaryDirectory(prefix="llms-soak-") as folder:
        found = uvloop.run(soak(plan, Path(folder), tell=lambda found: print(progress(found), flush=True)))
    print(report(found))
    return 1 if any(violations(found)) else 0


if __name__ == "__main__":
    sys.exit(main())
