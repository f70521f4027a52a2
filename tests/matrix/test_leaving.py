"""A client of any dialect that leaves stops the work of any upstream: in a stream, and while it waits for a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llms.testing.fake_upstream import answer, stall
from tests.matrix.client import Client
from tests.matrix.clients import CLIENTS
from tests.matrix.facts import ERROR
from tests.matrix.targets import ALL, Remote
from tests.matrix.test_matrix import named
from tests.proxy import RawClient


@pytest.mark.parametrize("client", CLIENTS, ids=named)
@pytest.mark.parametrize("target", [one for one in ALL if isinstance(one, Remote)], ids=named)
async def test_the_upstream_hears_of_it(client: Client, target: Remote, tmp_path: Path) -> None:
    begun = target.speaks.breaks(ERROR.answer.text)
    streamed = begun.first(len(begun.steps) - 1).then(stall())
    async with target.ready(tmp_path) as bench:
        assert bench.upstream is not None
        bench.upstream.script(streamed, answer(stall()))
        asked: dict[str, Any] = client.body(ERROR, target.model)
        for number, stream in enumerate((True, False), 1):
            raw = await RawClient.to(bench.proxy)
            await raw.send({**asked, "stream": stream}, path=client.path)
            if stream:
                await raw.until(b"half")
            seen = await bench.upstream.arrived(number)
            await seen.silent()
            raw.close()
            await seen.gone()
        ended = await bench.proxy.all_ended(2)
    assert [one.outcome for one in ended] == ["cancelled", "cancelled"]
