"""What a dialect of clients is to the matrix: how it asks, and how it reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

from tests.matrix.facts import Case, Facts, Failure

Json = dict[str, Any]
Event = tuple[str, Any]
"""Name and decoded data; `[DONE]` as text."""


class Client(Protocol):
    """One dialect."""

    name: str
    path: str

    def body(self, case: Case, model: str) -> Json:
        """Return a request."""
        ...

    def again(self, case: Case, asked: Json, answer: Json, *, stored: bool) -> Json:
        """Return the request with the results of tools; `stored` leaves the conversation to the server."""
        ...

    def fold(self, events: Sequence[Event]) -> Json:
        """Return the whole answer that a stream adds up to."""
        ...

    def facts(self, answer: Json) -> Facts:
        """Read a whole answer."""
        ...

    def failure(self, status: int, told: Any) -> Failure:
        """Read an error: a body, or what the last event of a stream holds."""
        ...

    def broken(self, events: Sequence[Event]) -> Failure:
        """Read a stream that ends with an error."""
        ...


def events_of(wire: bytes) -> list[Event]:
    """Return the events of a stream, comments and pings left out."""
    found: list[Event] = []
    for frame in wire.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line and not line.startswith(":"))
        if "data" in lines and lines.get("event") != "ping":
            data = lines["data"]
            found.append((lines.get("event", ""), data if data == "[DONE]" else json.loads(data)))
    return found


STOPS: Final = {
    "stop": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "tool_calls": "calls",
    "tool_use": "calls",
    "content_filter": "filtered",
    "refusal": "filtered",
}
"""What each dialect calls the ends of answers."""
STEADY: Final[Json] = {"temperature": 0}
