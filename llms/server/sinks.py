"""Where the short cut of a stream leads: what passes reads of one shape on to a client, or to who stands for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llms.gateway.short_cut import Sink
from llms.protocol.dialects import Telling, TellsTexts
from llms.protocol.shape import Passable, Shape
from llms.protocol.sse import escape_separators


class Outlet(Protocol):
    """What takes events without waiting, for as long as it keeps up."""

    @property
    def keeps_up(self) -> bool:
        """Tell whether events can be passed on now."""
        ...

    def pass_on(self, data: bytes, /) -> bool:
        """Take whole events; False, and nothing done, where that would have to wait."""
        ...


def unchanged(pass_on: Callable[[bytes], bool]) -> Sink:
    """Return what passes events on as they came."""

    def sink(shape: Passable) -> Callable[[bytes], int]:
        def passing(data: bytes) -> int:
            count = shape.count(data)
            return count if count and pass_on(data) else 0

        return passing

    return sink


def told(outlet: Outlet, telling: Telling, wire: Callable[[bytes], bytes] | None = None) -> Sink:
    """Return what passes events on in the words of a telling; `wire` tells chunks as they came, where it is there."""
    as_they_came = unchanged(lambda data: outlet.pass_on(data if data.isascii() else wire(data))) if wire else None

    def sink(shape: Passable) -> Callable[[bytes], int] | None:
        if not isinstance(shape, Shape):
            return None
        if as_they_came is not None and shape.chat is None:
            return as_they_came(shape)
        return _translating(shape, outlet, telling)

    return sink


def _translating(shape: Shape, outlet: Outlet, telling: Telling) -> Callable[[bytes], int] | None:
    tell = telling.growing(shape) if isinstance(telling, TellsTexts) else None
    if tell is None:
        return None
    kept = shape.kept

    def passing(data: bytes) -> int:
        texts = shape.texts(data)
        if not texts or not outlet.keeps_up:
            return 0
        outlet.pass_on(escape_separators(tell(texts)))
        if kept is not None:
            kept.extend(texts)
        return len(texts)

    return passing
