"""Both paths do the same in any case that hypothesis makes up."""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import given, settings

from tests.server.differential.any_case import cases
from tests.server.differential.conftest import Play
from tests.server.differential.pair import Case

CASES = int(os.environ.get("LLMS_DIFFERENTIAL", "500"))
"""How many cases; `make differential` takes more."""


def test_any_case(play: Play) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=CASES)
    @given(case=cases())
    def same(case: Case) -> None:
        fast, slow = play(case)
        # One path may be through with an answer a turn before the upstream has said all of it.
        assert fast.without_connections() == slow.without_connections()
        assert not fast.complaints
        seen.update({event.outcome for event in fast.events if hasattr(event, "outcome")})
        seen.update({answer.first.split()[1].decode() for got in fast.clients for answer in got.answers})

    same()
    for kind in ("ok", "error", "truncated", "cancelled", "200", "400", "502"):
        assert seen[kind] >= CASES // 200, f"hardly any case is about {kind}: {seen}"
