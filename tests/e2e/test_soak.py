"""A minute of the soak: load, faults and clients that leave; nothing wrong was told, and nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.mix import MIX
from tests.soak.run import Plan, soak
from tests.soak.verdict import report, violations

PLAN = Plan(seconds=60, warm_up=20, rate=400, until_closed=False)


@pytest.mark.timeout(600)
async def test_a_minute_of_faults_leaves_nothing_behind(tmp_path: Path) -> None:
    found = await soak(PLAN, tmp_path)

    assert not list(violations(found)), report(found)
    assert found.ledger.ended.keys() == {kind.name for kind in MIX}
    assert found.ledger.injected.keys() == {kind.fault for kind in MIX if kind.fault != "none"}
    assert found.ledger.chunks > 0
    assert found.samples
