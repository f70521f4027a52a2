"""Tool calls in a model's text, which three families of models write in three ways.

Hermes, Qwen and many others: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. Mistral: `[TOOL_CALLS]` and a
list of such objects, or a name and its arguments. Llama 3: nothing but `{"name": …, "parameters": {…}}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from llms.protocol.json import exact_loads, is_deeper_than
from llms.providers.llama_cpp.child.answer.delta import Argued, Called, Delta, Said
from llms.providers.llama_cpp.child.answer.json_end import JsonEnd


@final
@dataclass(frozen=True, slots=True)
class _Way:
    """A way to write a call: a mark, perhaps a name, JSON, perhaps another mark."""

    mark: str
    """Where a call may begin; "" is only at the beginning of the answer."""
    lead: re.Pattern[str]
    """All that stands before the JSON, the mark included."""
    half: re.Pattern[str]
    """What may still become `lead`."""
    after: str
    """What may stand after the JSON, apart from whitespace."""


_HERMES: Final = _Way(
    "<tool_call>", re.compile(r"\s*<tool_call>\s*(?=\{)"), re.compile(r"\s*<tool_call>\s*"), "</tool_call>"
)
_MISTRAL: Final = _Way(
    "[TOOL_CALLS]",
    re.compile(
        r"\s*\[TOOL_CALLS\]\s*"
        r"(?:(?=\[)|(?P<name>[\w.:-]{1,100})(?:\[CALL_ID\]\w{1,40})?(?:\[ARGS\])?[ ]{0,3}(?=\{))"
    ),
    re.compile(r"\s*\[TOOL_CALLS\]\s*(?:[\w.:-]{1,100}[^{\"\n]{0,60})?"),
    "",
)
_LLAMA: Final = _Way(
    "",
    re.compile(r"\s*(?:<\|python_tag\|>\s*)?(?=\{\s*\"(?:name|type|function|parameters|arguments)\")"),
    re.compile(r"\s*(?:<\|python_tag\|>\s*)?(?:\{\s*(?:\"\w{0,10})?)?|\s*<(?:\|[a-z_]{0,10}\|?)?"),
    ";",
)
_MARKED: Final = {way.mark: way for way in (_HERMES, _MISTRAL)}
_MARK: Final = re.compile(r"\s*(" + "|".join(map(re.escape, _MARKED)) + ")")

WORDS: Final = (_HERMES.mark, _HERMES.after, _MISTRAL.mark, "[ARGS]", "[CALL_ID]", "<|python_tag|>")
"""Words of these ways; some models have tokens for them that are not shown unless asked for."""


@final
class CallFinder:
    """Find the calls in an answer; what only looked like one is said instead, so that nothing is lost."""

    __slots__ = ("_after", "_attempt", "_held", "_names")

    def __init__(self, names: Collection[str]) -> None:
        """Take the names of the tools: an object without any mark is a call only if it names one of them."""
        self._names = names
        self._held = ""
        self._attempt: _Attempt | None = _Attempt(_LLAMA)
        self._after: str | None = None
        """What may still follow the call before; None when anything else has come."""

    def feed(self, text: str) -> list[Delta]:
        """Return what is decided by now."""
        self._held += text
        found: list[Delta] = []
        while self._leave_call() and (self._search(found) if self._attempt is None else self._read(found)):
            pass
        return found

    def end(self) -> list[Delta]:
        """Return what was held back for a call that did not become one."""
        held, self._held = self._held, ""
        return [Said(held)] if held and self._after is None else []

    def _leave_call(self) -> bool:
        """Leave out what still belongs to the call before; tell whether anything else has come."""
        if self._after is None:
            return True
        self._held = self._held.lstrip()
        if self._after and self._held.startswith(self._after):
            self._held, self._after = self._held[len(self._after) :].lstrip(), ""
        if not self._held or (self._after and self._after.startswith(self._held)):
            return False
        self._after = None
        return True

    def _search(self, found: list[Delta]) -> bool:
        """Let text through up to a mark; tell whether there is one."""
        mark = _MARK.search(self._held)
        if mark:
            self._attempt = _Attempt(_MARKED[mark[1]])
        self._say(mark.start() if mark else len(self._held) - _undecided(self._held), found)
        return bool(mark)

    def _read(self, found: list[Delta]) -> bool:
        """Take a call or find that it is none; tell whether that is decided."""
        assert self._attempt is not None
        decided = self._attempt.look(self._held)
        if decided is None:
            return False
        way, (length, calls) = self._attempt.way, decided
        self._attempt = None
        if not calls or (way is _LLAMA and calls[0][0] not in self._names):
            mark = _MARK.match(self._held) if way.mark else None
            self._say(mark.end() if mark else 0, found)
            return True
        for name, arguments in calls:
            found += (Called(name), Argued(arguments))
        self._held, self._after = self._held[length:], way.after
        if way is _LLAMA:
            self._attempt = _Attempt(_LLAMA)
        return True

    def _say(self, length: int, found: list[Delta]) -> None:
        if length:
            found.append(Said(self._held[:length]))
        self._held = self._held[length:]


@final
class _Attempt:
    """Text that began like a call."""

    __slots__ = ("_end", "_looked", "_name", "_start", "way")

    def __init__(self, way: _Way) -> None:
        self.way = way
        self._end: JsonEnd | None = None
        self._name: str | None = None
        self._start = self._looked = 0

    def look(self, text: str) -> tuple[int, list[tuple[str, str]]] | None:
        """Return how much of the text is calls, and those, or none of it; None while that is open.

        The text is that of the look before with more at its end.
        """
        if self._end is None:
            lead = self.way.lead.match(text)
            if lead is None:
                return None if self.way.half.fullmatch(text) else (0, [])
            self._end, self._name = JsonEnd(), lead.groupdict().get("name")
            self._start = self._looked = lead.end()
        length = self._end.find(text[self._looked :])
        if length is None:
            self._looked = len(text)
            return None
        end = self._looked + length
        return end, _calls(text[self._start : end], self._name)


def _undecided(text: str) -> int:
    """Return the length of the end of a text that may begin a mark, with the whitespace before it."""
    most = min(max(map(len, _MARKED)) - 1, len(text))
    half = next((n for n in range(most, 0, -1) if any(mark.startswith(text[-n:]) for mark in _MARKED)), 0)
    before = text[: len(text) - half]
    return len(text) - len(before.rstrip())


def _calls(text: str, name: str | None) -> list[tuple[str, str]]:
    """Return name and arguments of each call in some JSON; nothing if any of them is none."""
    try:
        value = _decoded(text)
        values = value if isinstance(value, list) else [value if name is None else {"name": name, "arguments": value}]
        return [_call(item) for item in values]
    except ValueError:
        return []


def _call(item: Any) -> tuple[str, str]:
    """Return the name and the arguments, as JSON text, of a decoded call; raise ValueError if it is none."""
    call = item.get("function", item) if isinstance(item, Mapping) else None
    if isinstance(call, str):
        call = {**item, "name": call}
    if not isinstance(call, Mapping):
        raise ValueError("a call is an object")
    name, arguments = call.get("name"), call.get("arguments", call.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = _decoded(arguments)
    if not isinstance(name, str) or not name or not name.isprintable() or not isinstance(arguments, Mapping):
        raise ValueError("a call has a name and arguments")
    return name, json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace").decode()


def _decoded(text: str) -> Any:
    """Decode JSON that every client can read; raise ValueError for an endless number, and for endless depth."""
    value = exact_loads(text.encode("utf-8", "replace"))
    if is_deeper_than(value):
        raise ValueError("nested too deeply")
    return value
