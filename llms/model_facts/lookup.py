"""Look models up in the table of the package genai-prices, in a process of its own: `python -m …lookup`.

Importing the table takes a third of a second of the interpreter and 24 MiB, which no stream of the server shall
wait for and no idle server keep. On stdin comes `[[place, model], …]`, a place being an address or the table's own
name of a vendor; on stdout goes `{"source", "found": [{"context_window", "tariffs"} | null, …]}`, tariffs as lists in
the order of `Tariff`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from llms.protocol.tariff import ALWAYS, Tariff

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice

_DAY: Final = 86_400
_SIZES: Final = ("input_mtok", "cache_read_mtok", "output_mtok")


def main() -> None:
    """Answer one question on stdin."""
    from importlib.metadata import version

    from genai_prices.data_snapshot import get_snapshot

    asked = json.load(sys.stdin)
    table = get_snapshot()
    found = [_facts(table, place, model) for place, model in asked]
    json.dump({"source": f"genai-prices {version('genai-prices')}", "found": found}, sys.stdout)


def _facts(table: DataSnapshot, place: str, model: str) -> dict[str, Any] | None:
    by_address = "://" in place
    try:
        vendor = table.find_provider(None, None if by_address else place, place if by_address else None)
    except LookupError:
        return None
    # Gemini's OpenAI-compatible list calls its models models/NAME.
    info = vendor.find_model(model.removeprefix("models/").lower(), all_providers=table.providers)
    if info is None:
        return None
    return {"context_window": info.context_window, "tariffs": list(tariffs(info))}


def tariffs(info: ModelInfo) -> Iterator[Tariff]:
    """Yield what a model costs at each time, as the table tells; discounts for batches and the like are left out."""
    dates, hours = _changes(info)
    for since, until in pairwise([0.0, *dates, ALWAYS]):
        for day_from, day_until in pairwise([0, *hours, _DAY]):
            moment = datetime.fromtimestamp(since, tz=UTC) + timedelta(seconds=day_from)
            for above, upto, prices in _tiers(info.get_prices(moment)):
                yield Tariff(*prices, since, until, day_from, day_until, above, upto)


def _changes(info: ModelInfo) -> tuple[list[float], list[int]]:
    """Return the days and the times of day at which prices change."""
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    limits = [each.constraint for each in info.prices] if isinstance(info.prices, list) else []
    days = {_midnight(limit.start_date) for limit in limits if isinstance(limit, StartDateConstraint)}
    clocks = [limit for limit in limits if isinstance(limit, TimeOfDateConstraint)]
    hours = {_seconds(each) for limit in clocks for each in (limit.start_time, limit.end_time)}
    return sorted(days), sorted(hours - {0})


def _tiers(prices: ModelPrice) -> Iterator[tuple[int, int, tuple[float, float | None, float | None]]]:
    """Yield bounds of prompts, and what input, cached input and output cost between them."""
    kinds = [getattr(prices, name) for name in _SIZES]
    starts = sorted({tier.start for kind in kinds for tier in getattr(kind, "tiers", ())})
    for above, upto in pairwise([-1, *starts, 2**53]):
        read, again, written = (_dollars(kind, above) for kind in kinds)
        if read is not None:
            yield above, upto, (read, again, written)


def _dollars(kind: Any, above: int) -> float | None:
    if kind is None:
        return None
    passed: Sequence[Any] = [tier.price for tier in getattr(kind, "tiers", ()) if tier.start <= above]
    return float(passed[-1] if passed else getattr(kind, "base", kind))


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


def _seconds(moment: time) -> int:
    """Return seconds after midnight UTC; times without a zone are UTC."""
    shift = moment.utcoffset() or timedelta()
    since = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second) - shift
    return int(since.total_seconds()) % _DAY


if __name__ == "__main__":
    main()
