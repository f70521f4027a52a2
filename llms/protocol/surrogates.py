"""Join characters whose two halves an upstream sent in two events.

Some upstreams cut text between the UTF-16 halves of an emoji, so that one event ends in `\\ud83d` and the next
begins with `\\ude00`. Neither half can be written as UTF-8; the first is held until the second arrives.
"""

from __future__ import annotations

from typing import Any

_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")


class Surrogates:
    """The held halves of one stream, by choice and field."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[tuple[int, str], str] = {}

    @staticmethod
    def mend(state: Surrogates | None, index: int, delta: dict[str, Any]) -> Surrogates | None:
        """Join and hold halves in a delta, in place; return the state, which exists only while it is needed."""
        for name in _FIELDS:
            text = delta.get(name)
            if isinstance(text, str) and (state is not None or not is_whole(text)):
                state = state or Surrogates()
                delta[name] = state._text((index, name), text)
        for call in delta.get("tool_calls") or ():
            function = call.get("function")
            arguments = function.get("arguments") if isinstance(function, dict) else None
            if isinstance(arguments, str) and (state is not None or not is_whole(arguments)):
                state = state or Surrogates()
                function["arguments"] = state._text((index, f"tool {call.get('index')}"), arguments)
        return state if state is not None and state._held else None

    def flush(self, index: int, delta: dict[str, Any]) -> Surrogates | None:
        """Put a replacement character where the second half never came; return the state while it is needed."""
        for held_index, name in [key for key in self._held if key[0] == index]:
            del self._held[held_index, name]
            if name in _FIELDS:
                delta[name] = (delta.get(name) or "") + "�"
        return self if self._held else None

    def _text(self, key: tuple[int, str], text: str) -> str:
        text = self._held.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held[key] = text[-1]
            text = text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_whole(text: str) -> bool:
    """Tell whether text holds no half of a character."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
