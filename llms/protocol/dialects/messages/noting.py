"""What is noted of an answer of Messages that is passed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, final

from llms.protocol import json, noting
from llms.protocol.chat import Usage
from llms.protocol.dialects.messages.words import FINISH_OF, usage_of

_TYPES: Final = (b"message_start", b"message_delta", b"message_stop", b"error")
_STOP: Final = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
_DELTAS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "text": (("text", "text_delta"),),
    "thinking": (("thinking", "thinking_delta"), ("signature", "signature_delta")),
}
"""By the type of a block: the fields that come piece by piece, and the deltas that bring them."""


@final
class Noting:
    """Usage is in `message_start` and, adding up, in `message_delta`, with the stop reason; `message_stop` ends it."""

    __slots__ = ("_counts", "complete", "done", "finish")
    signs: ClassVar[tuple[bytes, ...]] = (b"message_", b"error")

    def __init__(self) -> None:
        self._counts: dict[str, Any] = {}
        self.finish: str | None = None
        self.complete = False
        self.done = False

    @property
    def usage(self) -> Usage | None:
        """Return the tokens as far as they were told."""
        return usage_of(self._counts) if self._counts else None

    def event(self, name: bytes, data: bytes, /) -> Any:
        """Note an event; text that only speaks of such events is not decoded where events have names."""
        if name and name not in _TYPES:
            return None
        try:
            item = json.loads(data)
        except ValueError:
            return data.decode("utf-8", "replace") if name == b"error" else None
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "error" or name == b"error":
            return item
        if kind == "message_start" and isinstance(item.get("message"), dict):
            self._count(item["message"].get("usage"))
        elif kind == "message_delta":
            self._count(item.get("usage"))
            self._end(item.get("delta"))
        elif kind == "message_stop":
            self.complete = self.done = True
        return None

    def whole(self, item: Any, /) -> bool:
        """Note a whole message."""
        if not isinstance(item, dict) or not isinstance(item.get("content"), list):
            return False
        self._count(item.get("usage"))
        self._end(item)
        self.complete = self.done = True
        return True

    def ending(self) -> bytes:
        """Return the last event, where the upstream left it out after the stop reason."""
        return b"" if self.done else _STOP

    def unfold(self, item: Any, body: bytes, /) -> bytes:
        """Return the events that tell a whole message: each block in one piece."""
        start = {**item, "content": [], "stop_reason": None, "stop_sequence": None}
        delta = {"stop_reason": item.get("stop_reason"), "stop_sequence": item.get("stop_sequence")}
        events = [
            _event("message_start", {"message": start}),
            *(event for at, block in enumerate(item["content"]) for event in _block(at, block)),
            _event("message_delta", {"delta": delta, "usage": item.get("usage") or {"output_tokens": 0}}),
        ]
        return b"".join(events) + _STOP

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._counts.update({key: value for key, value in usage.items() if value is not None})

    def _end(self, holder: object) -> None:
        reason = holder.get("stop_reason") if isinstance(holder, dict) else None
        if isinstance(reason, str):
            self.finish = FINISH_OF.get(reason, "stop")
            self.complete = True


def _block(at: int, block: Mapping[str, Any]) -> list[bytes]:
    """Return the events of one block: empty at first, then what is in it."""
    kind = block.get("type")
    fields = _DELTAS.get(str(kind), ())
    deltas = [{"type": name, field: block[field]} for field, name in fields if block.get(field)]
    start = {**block, **{field: "" for field, _ in fields}}
    if kind in ("tool_use", "server_tool_use"):
        start = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block.get("input") or {}).decode()}]
    return [
        _event("content_block_start", {"index": at, "content_block": start}),
        *(_event("content_block_delta", {"index": at, "delta": delta}) for delta in deltas),
        _event("content_block_stop", {"index": at}),
    ]


def _event(name: str, fields: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps({"type": name, **fields}))


_: type[noting.Noting] = Noting
