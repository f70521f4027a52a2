"""The table of prices: asked in a process of its own, remembered, and harmless when it cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
    Usage,
)

from llms.model_facts.lookup import tariffs
from llms.model_facts.table import NOTHING, Asked, Table
from llms.protocol.tariff import cost, tariff_at

OPENAI = Asked("https://api.openai.com/v1", "gpt-4o-mini")
STRANGE = Asked("https://models.example.com/v1", "gpt-4o-mini")


def answering(asked_for: list[str]) -> Callable[[str], str]:
    def look_up(question: str) -> str:
        asked_for.append(question)
        found = [{"context_window": 8, "tariffs": [[1.0, None, 2.0]]} for _ in json.loads(question)]
        return json.dumps({"source": "a table 1", "found": found})

    return look_up


def test_a_real_look_up_leaves_this_process_alone() -> None:
    code = (
        "import json, os, sys\nfrom llms.model_facts.table import Asked, Table, look_up\n"
        "table = Table(lambda question: look_up(question, environ=os.environ))\n"
        f"found = table.find([Asked(*each) for each in {[tuple(OPENAI), tuple(STRANGE)]!r}])\n"
        "assert 'genai_prices' not in sys.modules\n"
        "print(json.dumps(list(found.values())[0].context_window), *[each.source for each in found.values()])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    size, source = ran.stdout.split(" ", 1)
    assert int(size) == 128_000
    assert source.startswith("genai-prices ")
    assert len(source.split()) == 2, "of a strange place nothing is known"


def test_what_was_found_is_not_asked_for_again() -> None:
    asked_for: list[str] = []
    table = Table(answering(asked_for))
    found = table.find([OPENAI, STRANGE])[OPENAI]
    table.find([STRANGE])
    table.find([OPENAI, Asked("x", "new")])

    assert (found.context_window, found.source, found.tariffs[0].output) == (8, "a table 1", 2.0)
    assert [json.loads(question) for question in asked_for] == [[list(OPENAI), list(STRANGE)], [["x", "new"]]]
    assert table.known([OPENAI, Asked("y", "z")]) == {OPENAI: found}


@pytest.mark.parametrize("failure", [OSError("no python"), subprocess.TimeoutExpired("x", 1), ValueError("no JSON")])
def test_a_table_that_cannot_be_read_knows_nothing(failure: Exception) -> None:
    def look_up(question: str) -> str:
        raise failure

    assert Table(look_up).find([OPENAI]) == {OPENAI: NOTHING}


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_prices_by_day_hour_and_length() -> None:
    peak = TimeOfDateConstraint(datetime(2000, 1, 1, 22).timetz(), datetime(2000, 1, 1, 4).timetz())
    long = TieredPrices(base=2, tiers=[Tier(start=100, price=4)])
    info = ModelInfo(
        id="m",
        match=ClauseEquals(equals="m"),
        prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=1, output_mtok=3)),
            ConditionalPrice(
                constraint=StartDateConstraint(datetime(2026, 5, 1).date()),
                prices=ModelPrice(input_mtok=long, cache_read_mtok=1, output_mtok=8),
            ),
            ConditionalPrice(constraint=peak, prices=ModelPrice(input_mtok=9)),
        ],
    )
    found = list(tariffs(info))

    def held(time: str, prompt_tokens: int = 1) -> tuple[float, float | None, float | None]:
        tariff = tariff_at(found, time=moment(time), prompt_tokens=prompt_tokens)
        assert tariff is not None
        return tariff[:3]

    assert held("2026-04-30T12:00") == (1, None, 3)
    assert held("2026-05-01T12:00") == (2, 1, 8)
    assert held("2026-05-01T12:00", 100) == (2, 1, 8)
    assert held("2026-05-01T12:00", 101) == (4, 1, 8)
    assert held("2026-05-01T03:59") == held("2026-05-01T22:00") == (9, None, None)
    assert held("2026-05-01T04:00") == (2, 1, 8)


def test_costs_are_those_that_the_table_reckons() -> None:
    table = get_snapshot()
    time = datetime(2026, 10, 20, 2, 30, tzinfo=UTC)
    compared = 0
    for vendor in table.providers:
        if vendor.id not in ("openai", "anthropic", "google", "deepseek", "groq", "mistral", "x-ai"):
            continue
        for info in vendor.models:
            tariff = tariff_at(list(tariffs(info)), time=time.timestamp(), prompt_tokens=300_000)
            if tariff is None or tariff.output is None:
                continue
            usage = Usage(input_tokens=300_000, cache_read_tokens=50_000, output_tokens=1_000)
            theirs = info.calc_price(usage, vendor, genai_request_timestamp=time).total_price
            paid_by_request = info.get_prices(time).requests_kcount is not None
            if not paid_by_request:
                ours = cost(tariff, prompt_tokens=300_000, cached_tokens=50_000, completion_tokens=1_000)
                assert ours == pytest.approx(float(theirs)), (vendor.id, info.id)
                compared += 1
    assert compared > 200
