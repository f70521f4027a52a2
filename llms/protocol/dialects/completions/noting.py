"""What is noted of completions that are passed on."""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

from llms.protocol import json, noting
from llms.protocol.chat import Usage
from llms.protocol.finish import finish_reason
from llms.protocol.refusals import is_error
from llms.protocol.sse import DONE, encode, escape_separators

_DONE: Final = b"[DONE]"
_OTHERS: Final = tuple(b'"index":%b%d' % (space, digit) for space in (b"", b" ") for digit in range(1, 10))
"""Choices beside the first: only by them is it known that the first is not all there is."""


@final
class Noting:
    """Usage is where the upstream put it; each choice ends with its reason, and `[DONE]` ends all."""

    __slots__ = ("_open", "_usage", "complete", "done", "finish")
    signs: ClassVar[tuple[bytes, ...]] = (
        *(b'"finish_reason":"', b'"finish_reason": "', b'"usage":{', b'"usage": {', b'"error"', _DONE),
        *_OTHERS,
    )

    def __init__(self) -> None:
        self._open = {0: True}
        """Whether a choice that was met goes on; the first is always there."""
        self._usage: Any = None
        self.finish: str | None = None
        self.complete = False
        self.done = False

    @property
    def usage(self) -> Usage | None:
        """Return the tokens as far as they were told."""
        return Usage.of(self._usage)

    def event(self, name: bytes, data: bytes, /) -> Any:
        """Note an event; what is no JSON is passed on as it is."""
        if data == _DONE:
            self.done = self.complete = True
            return None
        try:
            item = json.loads(data)
        except ValueError:
            return None
        if is_error(item):
            return item
        if isinstance(item, dict):
            self._note(item)
        return None

    def whole(self, item: Any, /) -> bool:
        """Note a whole answer."""
        if not isinstance(item, dict) or not isinstance(item.get("choices"), list):
            return False
        self._note(item)
        self.complete = True
        return True

    def ending(self) -> bytes:
        """Return the end of the stream, unless it came."""
        return b"" if self.done else DONE

    def unfold(self, item: Any, body: bytes, /) -> bytes:
        """Return the answer as one event: its form is that of an event already."""
        return encode(escape_separators(json.dumps(item))) + DONE

    def _note(self, item: dict[str, Any]) -> None:
        self._usage = item.get("usage") or self._usage
        choices = item.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index, reason = choice.get("index", 0), finish_reason(choice.get("finish_reason"))
            self._open[index] = self._open.get(index, True) and reason is None
            self.finish = reason or self.finish
        self.complete = self.done or not any(self._open.values())


_: type[noting.Noting] = Noting
