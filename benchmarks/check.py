"""Check an answer against its script, byte for byte of its text, and say what is wrong with it."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import orjson

from benchmarks.script import TAG_LENGTH, Script

SEQ_END = TAG_LENGTH + 6
SHOWN = 160  # characters of a wrong answer that a report shows
ORDER = "RCFUD"  # role, content, finish reason, usage, [DONE]
MISSING = {"R": "role", "C": "content", "F": "finish", "U": "usage", "D": "done"}


@dataclass(slots=True)
class Faults:
    """Count what went wrong, by kind, and keep the first one's words."""

    counts: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def add(self, kind: str, detail: str, *, count: int = 1) -> None:
        """Note `count` faults of one kind."""
        self.counts[kind] += count
        self.first = self.first or f"{kind}: {detail[:SHOWN]}"

    def merge(self, other: "Faults") -> None:
        """Take over another's counts."""
        self.counts.update(other.counts)
        self.first = self.first or other.first

    @property
    def total(self) -> int:
        """Sum all kinds."""
        return self.counts.total()


class Check(Protocol):
    """Look at one answer's body as it comes; `faults` says what was found."""

    chunks: int
    faults: Faults

    def feed(self, body: bytes) -> None: ...

    def finish(self) -> None: ...


class PlainCheck:
    """Check a chat.completion: its whole text, its finish reason and its usage."""

    def __init__(self, script: Script) -> None:
        self.chunks = 0
        self.faults = Faults()
        self._script = script
        self._body = b""

    def feed(self, body: bytes) -> None:
        """Take the next bytes of the body."""
        self._body += body

    def finish(self) -> None:
        """Judge the whole answer."""
        try:
            answer = orjson.loads(self._body)
            choice = answer["choices"][0]
            text, reason = choice["message"]["content"], choice["finish_reason"]
        except (ValueError, LookupError, TypeError):
            self.faults.add("malformed", repr(self._body))
            return
        if text != self._script.text(0):
            self.faults.add(text_fault(text, self._script, expected=0), repr(text))
        if reason != "stop":
            self.faults.add("finish", repr(reason))
        check_usage(answer.get("usage"), self._script, self.faults)


class StreamCheck:
    """Check a stream of chat.completion.chunk events: each text, their order, and how the stream ends.

    Comments and other fields of an event are allowed, since a proxy may send heartbeats and event ids.
    """

    def __init__(self, script: Script) -> None:
        self.chunks = 0
        self.faults = Faults()
        self.script = script
        self._rest = b""
        self._seen: list[int] = []
        self.order = ""

    def feed(self, body: bytes) -> None:
        """Take the next bytes of the body and check the events that they complete."""
        *events, self._rest = (self._rest + body).split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    self.take_data(line[6:])

    def take_data(self, data: bytes) -> None:
        """Take the data of one event."""
        if data == b"[DONE]":
            self.order += "D"
            return
        try:
            chunk = orjson.loads(data)
            if "error" in chunk:
                self.faults.add("error event", repr(data))
            elif chunk["choices"]:
                self._take_choice(chunk["choices"][0])
            else:
                self.order += "U"
                check_usage(chunk["usage"], self.script, self.faults)
        except (ValueError, LookupError, TypeError, AttributeError):
            self.faults.add("malformed", repr(data))

    def _take_choice(self, choice: dict[str, Any]) -> None:
        if choice["delta"].get("role") and "R" not in self.order:
            self.order += "R"
        if text := choice["delta"].get("content"):
            self.take_text(text)
        if reason := choice["finish_reason"]:
            self.order += "F"
            if reason != "stop":
                self.faults.add("finish", repr(reason))

    def take_text(self, text: str) -> None:
        """Take the text of one chunk."""
        if not self.order.endswith("C"):
            self.order += "C"
        self.chunks += 1
        expected = len(self._seen)
        if text == self.script.text(expected):
            self._seen.append(expected)
            return
        kind = text_fault(text, self.script, expected=expected)
        if kind == "moved":
            self._seen.append(int(text[TAG_LENGTH:SEQ_END]))
        else:
            self.faults.add(kind, repr(text))

    def finish(self) -> None:
        """Judge the whole stream."""
        if self._rest:
            self.faults.add("malformed", f"the stream ends within an event: {self._rest!r}")
        self._judge_sequence()
        for letter in ORDER:
            if letter not in self.order:
                self.faults.add(MISSING[letter], "missing from the stream")
        if self.order != ORDER and set(self.order) == set(ORDER):
            self.faults.add("order", f"events came as {self.order[:SHOWN]}, not as {ORDER}")

    def _judge_sequence(self) -> None:
        seen, wanted = self._seen, self.script.chunks
        if seen == list(range(wanted)):
            return
        unique = list(dict.fromkeys(seen))
        if lost := len(set(range(wanted)).difference(unique)):
            self.faults.add("lost", f"{lost} of {wanted} chunks", count=lost)
        if doubled := len(seen) - len(unique):
            self.faults.add("doubled", f"{doubled} of {wanted} chunks", count=doubled)
        if reordered := sum(late < early for early, late in pairwise(unique)):
            self.faults.add("reordered", f"{reordered} of {wanted} chunks", count=reordered)


def text_fault(text: object, script: Script, *, expected: int) -> str:
    """Name what is wrong with a text that is not the expected one.

    "moved" means another chunk of the same answer, whole; "foreign" one of another answer; "altered" the rest.
    """
    if not isinstance(text, str) or not text[TAG_LENGTH:SEQ_END].isdecimal():
        return "altered"
    if text[:TAG_LENGTH] != script.tag:
        return "foreign"
    seq = int(text[TAG_LENGTH:SEQ_END])
    whole = seq != expected and seq < script.chunks and text == script.text(seq)
    return "moved" if whole else "altered"


def check_usage(usage: object, script: Script, faults: Faults) -> None:
    """Compare the token counts; further fields of usage are allowed."""
    if not isinstance(usage, dict) or any(usage.get(name) != count for name, count in script.usage().items()):
        faults.add("usage", repr(usage))
