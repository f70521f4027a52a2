"""One conversation in three turns, as every client holds it and every upstream tells it.

Clients import this file in environments of their own, so it needs the standard library alone.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

QUESTION = "How cold is it in Zürich, and how late?"
ANSWER = "In Zürich it is −3 °C ❄ at 13:45."
THOUGHTS = ("First the weather. Three days will do.", "Now the time.", "Both are known.")


class Call(NamedTuple):
    """A call of a tool, and what comes of it."""

    name: str
    arguments: dict[str, Any]
    result: str


CALLS = (
    Call("get_weather", {"city": "Zürich", "days": 3}, "-3 °C in Zürich for 3 days"),
    Call("get_time", {"zone": "Europe/Zurich"}, 'it is "13:45" in Europe/Zurich'),
)
USAGE = (7, 5)
"""Tokens of each turn: asked, answered."""


def schema(**properties: str) -> dict[str, Any]:
    """Return a JSON schema of fields that are all required."""
    described = {name: {"type": kind} for name, kind in properties.items()}
    return {"type": "object", "properties": described, "required": list(properties), "additionalProperties": False}


TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "get_weather": ("Tell the weather.", schema(city="string", days="integer")),
    "get_time": ("Tell the time.", schema(zone="string")),
}
"""Name: what it does, what it takes."""

called: list[tuple[str, dict[str, Any]]] = []
"""The tools that were run, in their order."""


def get_weather(city: str, days: int) -> str:
    """Tell the weather."""
    called.append(("get_weather", {"city": city, "days": days}))
    return f"-3 °C in {city} for {days} days"


def get_time(zone: str) -> str:
    """Tell the time."""
    called.append(("get_time", {"zone": zone}))
    return f'it is "13:45" in {zone}'


def run(name: str, arguments: str | dict[str, Any]) -> str:
    """Run a tool; arguments may be JSON text."""
    given = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"get_weather": get_weather, "get_time": get_time}[name](**given)


class Told(NamedTuple):
    """What a client has at the end of the conversation."""

    text: str
    usage: tuple[int, int]
    """Tokens of all turns together."""
    thoughts: str
    """All reasoning that the client showed."""


Way = Callable[[str, str], Told | Awaitable[Told]]
"""Hold the conversation: base address without /v1, model."""


def main(ways: Sequence[Way]) -> None:
    """Hold the conversation in every way with every model of the command line; print one line of JSON each."""
    url, *models = sys.argv[1:]
    asyncio.run(_hold(ways, url, models))


async def _hold(ways: Sequence[Way], url: str, models: Sequence[str]) -> None:
    for way in ways:
        for model in models:
            called.clear()
            line: dict[str, Any] = {"way": way.__name__, "model": model}
            try:
                told = way(url, model)
                line |= (await told if inspect.isawaitable(told) else told)._asdict()
            except Exception:
                line["problem"] = traceback.format_exc(limit=-3)[-1500:]
            print(json.dumps({**line, "called": called}), flush=True)
