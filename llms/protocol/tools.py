"""Repair streamed tool calls: an index, one id, one name, string arguments, whatever the upstream sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llms.protocol import json
from llms.protocol.surrogates import is_whole


@dataclass(slots=True)
class _Call:
    index: int
    id: str
    name: str
    is_function: bool
    """False for the kinds (`custom`) that carry no function."""
    size: int = 0
    """Characters of arguments so far."""


class ToolCalls:
    """The tool calls of one stream, all choices."""

    __slots__ = ("_calls", "_current", "_seed")

    def __init__(self, seed: str) -> None:
        """Take a `seed` that makes generated ids unique over a conversation."""
        self._seed = seed
        self._calls: dict[int, list[_Call]] = {}
        self._current: dict[tuple[int, int], _Call] = {}
        """The call that an upstream's own index means at the moment, by choice and index."""

    def mend(self, choice: int, fragments: object) -> list[dict[str, Any]]:
        """Return the fragments of one delta with everything clients need, nothing twice."""
        found = [f for f in fragments if isinstance(f, dict)] if isinstance(fragments, list) else []
        return [self._fragment(choice, f, place if len(found) > 1 else -1) for place, f in enumerate(found)]

    def continues(self, choice: int, fragments: object) -> bool:
        """Tell whether fragments only add arguments to a known call, and note them: the hot path."""
        fragment = fragments[0] if isinstance(fragments, list) and len(fragments) == 1 else None
        if not isinstance(fragment, dict):
            return False
        function: Any = fragment.get("function")
        index: Any = fragment.get("index")
        if not isinstance(function, dict) or index.__class__ is not int:
            return False
        if fragment.get("id") is not None or fragment.get("type") is not None or function.get("name") is not None:
            return False
        call = self._current.get((choice, index))
        arguments = function.get("arguments")
        if call is None or call.index != index or not isinstance(arguments, str) or not is_whole(arguments):
            return False
        call.size += len(arguments)
        return True

    def close(self, choice: int, delta: dict[str, Any]) -> bool:
        """Give calls without arguments their `{}` in the last delta; tell whether there were any calls."""
        calls = self._calls.get(choice, [])
        for call in calls:
            if call.is_function and not call.size:
                call.size = 2
                fragments = delta["tool_calls"] = delta.get("tool_calls") or []
                same = next((f for f in fragments if f["index"] == call.index), None)
                if same is None:
                    fragments.append({"index": call.index, "function": {"arguments": "{}"}})
                else:
                    same["function"] = {**same.get("function", {}), "arguments": "{}"}
        return bool(calls)

    def _fragment(self, choice: int, fragment: dict[str, Any], place: int) -> dict[str, Any]:
        call = self._find(choice, fragment, place)
        return self._first(choice, fragment) if call is None else _later(call, fragment)

    def _find(self, choice: int, fragment: dict[str, Any], place: int) -> _Call | None:
        """Find the call that a fragment continues: by id, by index, then by position (-1: the last); None: a new one.

        A new id opens a call only together with a name: some upstreams make up an id for every fragment, others
        give every call the index 0.
        """
        calls = self._calls.get(choice, [])
        given, name, index = fragment.get("id"), _name(fragment), _index(fragment)
        if given:
            known = next((c for c in calls if c.id == str(given)), None)
            if known is not None or name:
                return known
        if index is not None:
            call = self._current.get((choice, index))
            return None if call is not None and name not in ("", call.name) and call.size else call
        if name or not calls:
            return None
        return calls[place] if place < len(calls) else calls[-1]

    def _first(self, choice: int, fragment: dict[str, Any]) -> dict[str, Any]:
        calls = self._calls.setdefault(choice, [])
        given = _index(fragment)
        taken = {c.index for c in calls}
        index = given if given is not None and given not in taken else max(taken, default=-1) + 1
        is_function = _is_function(fragment)
        call = _Call(index, str(fragment.get("id") or f"call_{self._seed}_{index}"), _name(fragment), is_function)
        calls.append(call)
        if given is not None:
            self._current[choice, given] = call
        first = {**fragment, "index": index, "id": call.id, "type": fragment.get("type") or "function"}
        if is_function:
            first["function"] = _function(fragment)
            call.size = len(first["function"]["arguments"])
        return first

    def whole(self, calls: object) -> list[dict[str, Any]]:
        """Return the tool calls of a whole message with ids, types and string arguments."""
        found = [c for c in calls if isinstance(c, dict)] if isinstance(calls, list) else []
        return [self._whole(call, place) for place, call in enumerate(found)]

    def _whole(self, call: dict[str, Any], place: int) -> dict[str, Any]:
        mended = {
            **call,
            "id": str(call.get("id") or f"call_{self._seed}_{place}"),
            "type": call.get("type") or "function",
        }
        if _is_function(call):
            function = _function(call)
            mended["function"] = {**function, "arguments": function["arguments"] or "{}"}
        return mended


def _later(call: _Call, fragment: dict[str, Any]) -> dict[str, Any]:
    """Return a further fragment of a call: its index and what it adds, no id, type or name again."""
    kept = {key: value for key, value in fragment.items() if key not in ("id", "type")}
    kept["index"] = call.index
    if not call.is_function:
        return kept
    name = _name(fragment)
    function = {**_function(fragment), "name": name}
    if name in ("", call.name):
        del function["name"]
    else:
        call.name += name
    call.size += len(function["arguments"])
    return {**kept, "function": function}


def _index(fragment: dict[str, Any]) -> int | None:
    index = fragment.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else None


def _name(fragment: dict[str, Any]) -> str:
    function = fragment.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def _is_function(call: dict[str, Any]) -> bool:
    return "function" in call or ("custom" not in call and call.get("type") in (None, "", "function"))


def _function(call: dict[str, Any]) -> dict[str, Any]:
    """Return the function of a call or fragment with its name and its arguments as text."""
    found = call.get("function")
    function = found if isinstance(found, dict) else {}
    return {**function, "name": _name(call), "arguments": _text(function.get("arguments"))}


def _text(arguments: object) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments).decode()
