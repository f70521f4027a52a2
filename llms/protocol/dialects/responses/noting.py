"""What is noted of a response that is passed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, final

from llms.protocol import json, noting
from llms.protocol.chat import Usage
from llms.protocol.dialects.responses.unfolding import events_of

_ENDS: Final[Mapping[str, str]] = {
    "response.completed": "stop",
    "response.incomplete": "length",
    "response.failed": "error",
    "response.cancelled": "error",
}
_KINDS: Final = (*(kind.encode() for kind in _ENDS), b"error")
_OVER: Final = ("completed", "incomplete", "queued", "in_progress", "cancelled", "failed")
"""What a response may be when it is told as a whole: one in the background is answered before it is made."""
_CALLS: Final = ("function_call", "custom_tool_call")


@final
class Noting:
    """Usage and the end stand in the last event, which has the whole response; a failure of it is an error."""

    __slots__ = ("_usage", "complete", "done", "finish")
    signs: ClassVar[tuple[bytes, ...]] = (
        b"response.completed",
        b"response.incomplete",
        b"response.failed",
        b"response.cancelled",
        b"error",
    )

    def __init__(self) -> None:
        self._usage: Usage | None = None
        self.finish: str | None = None
        self.complete = False
        self.done = False

    @property
    def usage(self) -> Usage | None:
        """Return the tokens as far as they were told."""
        return self._usage

    def event(self, name: bytes, data: bytes, /) -> Any:
        """Note an event; a failed response is passed on, for its client to see what there is of it."""
        if name and name not in _KINDS:
            return None
        try:
            item = json.loads(data)
        except ValueError:
            return data.decode("utf-8", "replace") if name == b"error" else None
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "error" or name == b"error":
            return item
        if kind in _ENDS:
            self._end(item.get("response"))
            self.done = True
        return None

    def whole(self, item: Any, /) -> bool:
        """Note a whole response."""
        if not isinstance(item, dict) or item.get("object") != "response" or item.get("status") not in _OVER:
            return False
        self._end(item)
        self.done = True
        return True

    def ending(self) -> bytes:
        """Return nothing: what is whole ends with an event that says so."""
        return b""

    def unfold(self, item: Any, body: bytes, /) -> bytes:
        """Return the events that tell a whole response: each text in one piece."""
        begun = {**item, "status": "in_progress", "output": [], "usage": None}
        events: list[tuple[str, Mapping[str, Any]]] = [
            ("response.created", {"response": begun}),
            ("response.in_progress", {"response": begun}),
        ]
        for at, found in enumerate(item.get("output") or ()):
            events += events_of(at, found) if isinstance(found, dict) else ()
        events.append((f"response.{item['status']}", {"response": item}))
        return b"".join(_event(number, kind, fields) for number, (kind, fields) in enumerate(events))

    def _end(self, response: object) -> None:
        found = response if isinstance(response, dict) else {}
        self._usage = usage_in(found.get("usage")) or self._usage
        self.complete = True
        self.finish = _finish(found)


def usage_in(usage: object) -> Usage | None:
    """Read a usage object of the dialect; None when there is nothing to read."""
    if not isinstance(usage, dict):
        return None
    return Usage.of(
        {
            "prompt_tokens": usage.get("input_tokens"),
            "completion_tokens": usage.get("output_tokens"),
            "prompt_tokens_details": usage.get("input_tokens_details"),
            "completion_tokens_details": usage.get("output_tokens_details"),
        }
    )


def _finish(response: Mapping[str, Any]) -> str:
    """Return how a response ended, in the words of chat completions."""
    details = response.get("incomplete_details")
    if isinstance(details, dict):
        return "content_filter" if details.get("reason") == "content_filter" else "length"
    output = response.get("output")
    called = any(isinstance(item, dict) and item.get("type") in _CALLS for item in output or ())
    return "tool_calls" if called else "stop"


def _event(number: int, kind: str, fields: Mapping[str, Any]) -> bytes:
    data = json.dumps({"type": kind, "sequence_number": number, **fields})
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


_: type[noting.Noting] = Noting
