"""Check streams of Messages and of Responses as closely as those of chat completions."""

from typing import Any

import orjson

from benchmarks.check import StreamCheck, check_usage
from benchmarks.dialects import CHAT, MESSAGES, Dialect
from benchmarks.script import Script


def stream_check(dialect: Dialect, script: Script) -> StreamCheck:
    """Return the check of a stream in a dialect."""
    if dialect is CHAT:
        return StreamCheck(script)
    return MessagesCheck(script) if dialect is MESSAGES else ResponsesCheck(script)


class TypedCheck(StreamCheck):
    """What streams of typed events have in common."""

    def take_data(self, data: bytes) -> None:
        """Take one event."""
        try:
            event = orjson.loads(data)
            if event["type"] in ("error", "response.failed"):
                self.faults.add("error event", repr(data))
            else:
                self.take_event(event)
        except (ValueError, LookupError, TypeError, AttributeError):
            self.faults.add("malformed", repr(data))

    def take_event(self, event: dict[str, Any]) -> None:
        """Take one event, parsed."""
        raise NotImplementedError

    def take_usage(self, usage: dict[str, int]) -> None:
        """Compare what the end tells of tokens."""
        asked, made = usage["input_tokens"], usage["output_tokens"]
        counts = {"prompt_tokens": asked, "completion_tokens": made, "total_tokens": asked + made}
        check_usage(counts, self.script, self.faults)


class MessagesCheck(TypedCheck):
    """Check a stream of Messages."""

    _asked = 0

    def take_event(self, event: dict[str, Any]) -> None:
        """Note starts, texts and ends."""
        kind = event["type"]
        if kind == "content_block_delta":
            self.take_text(event["delta"]["text"])
        elif kind == "message_start":
            self.order += "R"
            self._asked = event["message"]["usage"]["input_tokens"]
        elif kind == "message_delta":
            self.order += "FU"
            if event["delta"]["stop_reason"] != "end_turn":
                self.faults.add("finish", repr(event))
            self.take_usage({"input_tokens": self._asked, **event["usage"]})
        elif kind == "message_stop":
            self.order += "D"


class ResponsesCheck(TypedCheck):
    """Check a stream of Responses."""

    def take_event(self, event: dict[str, Any]) -> None:
        """Note starts, texts and ends."""
        kind = event["type"]
        if kind == "response.output_text.delta":
            self.take_text(event["delta"])
        elif kind == "response.created":
            self.order += "R"
        elif kind == "response.completed":
            self.order += "FUD"
            self.take_usage(event["response"]["usage"])
