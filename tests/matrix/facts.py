"""What every client of the matrix must be told, and every upstream asked, whatever the words are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple


class Call(NamedTuple):
    """One call of a tool."""

    id: str
    name: str
    arguments: str
    """JSON with sorted keys."""


class Spent(NamedTuple):
    """Tokens of the prompt and of the answer, and those among them that have a price of their own."""

    prompt: int = 8
    answer: int = 5
    cached: int = 2
    """Of the prompt: read from a cache."""
    written: int = 1
    """Of the prompt: written to a cache."""
    thought: int = 0
    """Of the answer."""


class Facts(NamedTuple):
    """One answer."""

    text: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()
    stop: str = "stop"
    """stop, length, calls or filtered."""
    usage: Spent = Spent()


class Turn(NamedTuple):
    """One message as it reached an upstream."""

    role: str
    text: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    """The call that this is the result of."""
    image: str = ""
    """Media type and base64, with a comma between them."""
    signature: str = ""
    """What the upstream signed its thoughts with."""


class Asked(NamedTuple):
    """One request as it reached an upstream."""

    turns: tuple[Turn, ...]
    tools: tuple[str, ...] = ()
    choice: str = "auto"
    """auto, required, or the tool that must be called."""
    schema: str = ""
    """Of the answer, as JSON."""
    limit: int = 300
    """Tokens of the answer."""
    thinks: bool = False


class Failure(NamedTuple):
    """An error, as a client sees it."""

    status: int
    """200 in the middle of a stream."""
    kind: str
    message: str
    before: str = ""
    """The text that came before it."""


@dataclass(frozen=True)
class Case:
    """One feature: what is asked for, and what the upstream says."""

    name: str
    question: str = "Say it."
    system: str = ""
    answer: Facts = field(default_factory=Facts)
    signature: str = ""
    results: tuple[str, ...] = ()
    """Of the calls, for a second request."""
    choice: str = "auto"
    image: str = ""
    schema: Mapping[str, Any] | None = None
    thinks: bool = False

    @property
    def limit(self) -> int:
        """Return the tokens that the answer may have; thinking needs more."""
        return 4000 if self.thinks else 300

    @property
    def tools(self) -> tuple[Mapping[str, Any], ...]:
        """Return name and schema of the tools that the client has."""
        return (WEATHER, NOW) if self.answer.calls else ()


def canonical(value: object) -> str:
    """Return a value, or the JSON text of one, as JSON with sorted keys."""
    decoded = json.loads(value) if isinstance(value, str) else value
    return json.dumps(decoded, ensure_ascii=False, sort_keys=True)


def called(call_id: str, city: str) -> Call:
    return Call(call_id, "get_weather", canonical({"city": city, "days": 3}))


CITIES: Final = ("Zürich", "Ulm")
WEATHER: Final[Mapping[str, Any]] = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": [*CITIES]}, "days": {"type": "integer", "enum": [3]}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
NOW: Final[Mapping[str, Any]] = {
    "name": "now",
    "description": "Tells the time.",
    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
}
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Ulm"]}},
    "required": ["city"],
    "additionalProperties": False,
}
PIXEL: Final = (
    "image/png,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_CALLS: Final = (called("call_a", CITIES[0]), called("call_b", CITIES[1]))
LAST: Final = Facts(text="Warm enough.")
"""The answer to results of tools."""

TEXT: Final = Case("text", system="Be brief.", answer=Facts(text="Grüße, 世界 👋\u2028 end"))
TOOLS: Final = Case(
    "tools", choice="get_weather", answer=Facts(calls=_CALLS[:1], stop="calls"), results=("22 degrees",)
)
PARALLEL: Final = Case(
    "parallel tools",
    answer=Facts(text="Both.", calls=_CALLS, stop="calls"),
    results=("22 degrees", "7 degrees"),
    choice="required",
)
REASONING: Final = Case(
    "reasoning",
    answer=Facts(text="I look.", thought="Let me see: rain?", calls=_CALLS[:1], stop="calls", usage=Spent(thought=3)),
    signature="c2lnbmVk",
    results=("22 degrees",),
    thinks=True,
)
IMAGE: Final = Case("image", image=PIXEL, answer=Facts(text="A pixel."))
STRUCTURED: Final = Case("structured output", schema=SCHEMA, answer=Facts(text='{"city": "Ulm"}'))
ERROR: Final = Case("error", answer=Facts(text="Only half of"))
CUT: Final = Case("cut short", answer=Facts(text="Only the beg", stop="length"))
FILTERED: Final = Case("filtered", answer=Facts(text="How to", stop="filtered"))
SILENT: Final = Case("silent", answer=Facts())
BARE: Final = Case("no arguments", answer=Facts(calls=(Call("call_c", "now", "{}"),), stop="calls"), results=("noon",))
ALSO: Final[Mapping[str, tuple[Case, ...]]] = {"text": (CUT, FILTERED, SILENT), "tools": (BARE,)}
"""What else belongs to a feature."""
CASES: Final = (TEXT, TOOLS, PARALLEL, REASONING, IMAGE, STRUCTURED, ERROR)


def asked_of(case: Case) -> Asked:
    """Return what has to reach an upstream."""
    system = (Turn("system", case.system),) if case.system else ()
    question = Turn("user", case.question, image=case.image)
    tools = tuple(canonical([tool["name"], tool["schema"]]) for tool in case.tools)
    schema = canonical(dict(case.schema)) if case.schema else ""
    return Asked((*system, question), tools, case.choice, schema, case.limit, case.thinks)


def asked_again_of(case: Case) -> Asked:
    """Return what has to reach an upstream with the results of its calls."""
    answer = case.answer
    said = Turn("assistant", answer.text, answer.calls, signature=case.signature)
    results = [Turn("tool", text, call_id=call.id) for call, text in zip(answer.calls, case.results, strict=True)]
    first = asked_of(case)
    return first._replace(turns=(*first.turns, said, *results), choice="auto")
