"""The blocks of an answer that is streamed: one open at a time, in the order of the protocol.

A call whose arguments are not whole yet keeps its block open, and what is said meanwhile waits: upstreams may send the
pieces of several calls in turns, but a block that is closed can't be opened again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, final

from llms.protocol import json
from llms.protocol.dialects.messages.details import UNSIGNED
from llms.protocol.shape import Shape
from llms.protocol.sse import escape_separators

Said = Literal["text", "thinking"]


def event(name: str, fields: Mapping[str, Any]) -> bytes:
    """Return one event, named for its type."""
    data = escape_separators(json.dumps({"type": name, **fields}))
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


@final
class _Call:
    """One call of a tool, and what of its arguments is not told yet."""

    __slots__ = ("arguments", "id", "name", "untold")

    def __init__(self) -> None:
        self.id = self.name = self.arguments = self.untold = ""

    def add(self, fragment: Mapping[str, Any]) -> None:
        function = fragment.get("function") or {}
        self.id = self.id or fragment.get("id") or ""
        self.name = self.name or function.get("name") or ""
        more = function.get("arguments") or ""
        self.arguments += more
        self.untold += more

    @property
    def whole(self) -> bool:
        """Tell whether the arguments are all there; they are only decoded where they look so."""
        if not self.arguments.rstrip().endswith("}"):
            return False
        try:
            json.loads(self.arguments.encode("utf-8", "surrogatepass"))
        except ValueError:
            return False
        return True


@final
class Blocks:
    """Turn what is said, thought and called into events; `events` takes what was made since it was last asked."""

    __slots__ = ("_at", "_call", "_calls", "_late", "_made", "_open", "_told")

    def __init__(self) -> None:
        self._made: list[bytes] = []
        self._at = -1
        self._open: str | None = None
        """The type of the block that is open."""
        self._call: int | None = None
        """The call whose block is open."""
        self._calls: dict[int, _Call] = {}
        """Those that are not told yet, the open one among them, by their index in the chat."""
        self._told: set[int] = set()
        self._late: list[tuple[Said, str] | Mapping[str, Any]] = []
        """What was said, and the blocks that were given, while the arguments of a call were not whole."""

    def take(self) -> bytes:
        """Return the events that were made."""
        made = b"".join(self._made)
        self._made.clear()
        return made

    @property
    def called(self) -> bool:
        """Tell whether any tool was called."""
        return bool(self._told or self._calls)

    def say(self, kind: Said, text: str) -> None:
        """Tell a piece of text or of thinking."""
        if self._call is not None and not self._end_call():
            self._late.append((kind, text))
            return
        self._say(kind, text)

    def give(self, block: Mapping[str, Any]) -> None:
        """Tell a whole block of reasoning; the signature of thinking that was just told ends that."""
        if self._call is not None and not self._end_call():
            self._late.append(block)
            return
        if block["type"] == "thinking":
            if self._open != "thinking" and block["thinking"]:
                self._say("thinking", block["thinking"])
            self._begin("thinking", {"thinking": "", "signature": ""})
            self._close(signature=block["signature"])
            return
        self._close()
        self._begin(block["type"], {name: value for name, value in block.items() if name != "type"})
        self._close()

    def call(self, index: int, fragment: Mapping[str, Any]) -> None:
        """Tell a piece of a call."""
        if index in self._told:
            return
        held = self._calls.setdefault(index, _Call())
        held.add(fragment)
        if self._call is None or (index != self._call and self._end_call()):
            self._call = index
        if index == self._call:
            self._tell_call(held)

    def end(self) -> None:
        """Tell all that waited, and close the last block."""
        while self._call is not None or self._calls:
            if self._call is None:
                self._call = next(iter(self._calls))
                self._tell_call(self._calls[self._call])
            self._end_call(anyway=True)
        late, self._late = self._late, []
        for each in late:
            if isinstance(each, tuple):
                self._say(*each)
            else:
                self.give(each)
        self._close()

    def growing(self, kind: Said) -> Shape | None:
        """Return the shape of the events that say more in the open block; None where they would begin another."""
        if self._open != kind or self._call is not None:
            return None
        before, after = self._growth(kind, "").removesuffix(b"\n\n").rsplit(b'""', 1)
        return Shape(before + b'"', b'"' + after, frame=b"")

    def _say(self, kind: Said, text: str) -> None:
        self._begin(kind, {"text": ""} if kind == "text" else {"thinking": "", "signature": ""})
        self._made.append(self._growth(kind, text))

    def _growth(self, kind: Said, text: str) -> bytes:
        return event("content_block_delta", {"index": self._at, "delta": {"type": f"{kind}_delta", kind: text}})

    def _tell_call(self, call: _Call) -> None:
        if not call.name:
            return
        if self._open != "tool_use":
            self._begin("tool_use", {"id": call.id, "name": call.name, "input": {}})
        if call.untold:
            self._delta({"type": "input_json_delta", "partial_json": call.untold})
            call.untold = ""

    def _end_call(self, *, anyway: bool = False) -> bool:
        """Close the block of the open call if it is whole; tell whether another block may begin."""
        index = self._call
        assert index is not None
        if not (anyway or self._calls[index].whole):
            return False
        del self._calls[index]
        self._told.add(index)
        self._call = None
        self._close()
        return True

    def _begin(self, kind: str, fields: Mapping[str, Any]) -> None:
        if self._open == kind:
            return
        self._close()
        self._open = kind
        self._at += 1
        self._made.append(event("content_block_start", {"index": self._at, "content_block": {"type": kind, **fields}}))

    def _delta(self, delta: Mapping[str, Any]) -> None:
        self._made.append(event("content_block_delta", {"index": self._at, "delta": delta}))

    def _close(self, *, signature: str = UNSIGNED) -> None:
        if self._open == "thinking":
            self._delta({"type": "signature_delta", "signature": signature})
        if self._open is not None:
            self._made.append(event("content_block_stop", {"index": self._at}))
            self._open = None
