"""An answer in the dialect: the events of a stream, or the whole object. Both are made of the same deltas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from llms.protocol import json
from llms.protocol.chat import Chunk, CompletionObject
from llms.protocol.dialects import Telling, TellTexts, Told
from llms.protocol.dialects.responses.events import Events
from llms.protocol.dialects.responses.frame import End, Frame
from llms.protocol.dialects.responses.output import Output
from llms.protocol.envelope import envelope
from llms.protocol.errors import Cancelled, LlmsError
from llms.protocol.fold import unfold
from llms.protocol.shape import Shape
from llms.protocol.sse import escape_separators


@final
class ResponseTelling:
    """Tell one stream, numbering its events; `response` holds the object as far as it was told."""

    __slots__ = ("_events", "_frame", "_now", "_output", "response")

    def __init__(self, frame: Frame, *, now: Callable[[], float]) -> None:
        """Take the object that the events grow, and the clock (Unix seconds)."""
        self._frame = frame
        self._now = now
        self._events = Events()
        self._output = Output(frame, self._events)
        self.response: dict[str, Any] | None = None
        """None before the first event."""

    @property
    def over(self) -> bool:
        """Tell whether the response has come to its end."""
        return self.response is not None and self.response["status"] not in ("queued", "in_progress")

    @property
    def sealed(self) -> Mapping[str, str]:
        """Return what reasoning items carry for the model, by their id."""
        return self._output.sealed

    def queue(self) -> bytes:
        """Return the events of a response that has to wait; told before anything else."""
        self._announce("queued")
        self._events.say("response.queued", {"response": self.response})
        return self._events.taken()

    def chunk(self, chunk: Chunk, /) -> bytes:
        """Return the events that tell a chunk."""
        self._take(chunk)
        return self._events.taken()

    def end(self, chunk: Chunk, told: Told, /) -> bytes:
        """Return the events of the final chunk, and the one that has the whole response."""
        self._take(chunk)
        self._close(End("incomplete" if self._output.reason else "completed", told.usage, reason=self._output.reason))
        return self._events.taken()

    def error(self, error: LlmsError, /) -> bytes:
        """Return what ends a stream that broke: the error, and the response with what there is of it."""
        begun = self.response is not None and not self.over
        if begun:
            self._output.close("incomplete")
        self._events.add(error_event(error, number=self._events.number))
        if begun:
            self.break_off(error)
        return self._events.taken()

    def growing(self, shape: Shape, /) -> TellTexts | None:
        """Return what tells texts that go on in the part that is open."""
        return self._output.growing(shape.sample())

    def go_on_from(self, number: int) -> None:
        """Number what follows as if others had told the events before: those of an upstream were passed on."""
        self._events.number = number

    def break_off(self, error: LlmsError) -> None:
        """End a response that has begun: it failed, or was cancelled."""
        self._output.close("incomplete")
        self._finish(End("cancelled") if isinstance(error, Cancelled) else End("failed", error=error), now=None)

    def _take(self, chunk: Chunk) -> None:
        for item in chunk.objects:
            if self.response is None or self.response["status"] == "queued":
                self._frame.model = item["model"]
                self._begin()
            self._output.take(item)

    def _begin(self) -> None:
        if self.response is None:
            self._announce("in_progress")
        self.response = self._frame.response((), End("in_progress"))
        self._events.say("response.in_progress", {"response": self.response})

    def _announce(self, status: Any) -> None:
        self.response = self._frame.response((), End(status))
        self._events.say("response.created", {"response": self.response})

    def _close(self, end: End) -> None:
        self._output.close("incomplete" if end.reason else "completed")
        self._finish(end, now=int(self._now()) if end.status == "completed" else None)

    def _finish(self, end: End, *, now: int | None) -> None:
        self.response = self._frame.response(self._output.items, end, now=now)
        if end.status != "cancelled":
            self._events.say(f"response.{end.status}", {"response": self.response})


def error_event(error: LlmsError, *, number: int) -> bytes:
    """Return the event that tells of an error.

    It is said twice: the API's description has the fields flat, and OpenAI's clients raise only what stands below
    `error`, where OpenAI's own events have it.
    """
    found = envelope(error)["error"]
    told = {"type": "error", "sequence_number": number, **{key: found[key] for key in ("code", "message", "param")}}
    return b"event: error\ndata: %b\n\n" % escape_separators(json.dumps({**told, "error": found}))


def whole(
    frame: Frame, completion: CompletionObject, told: Told, *, now: int
) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Return the response object of a whole answer, and what its reasoning items carry for the model."""
    output = Output(frame, Events())
    for item in unfold(completion):
        output.take(item)
    frame.model = completion["model"]
    reason = output.reason
    output.close("incomplete" if reason else "completed")
    end = End("incomplete" if reason else "completed", told.usage, reason=reason)
    return frame.response(output.items, end, now=None if reason else now), output.sealed


_: type[Telling] = ResponseTelling
