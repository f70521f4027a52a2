"""Regular expressions of JSON schemas as grammars; those with look-around or references back are too much for one."""

from __future__ import annotations

import json
from typing import Final, final

from llms.providers.llama_cpp.child.grammars.grammar import MOST_REPEATS, either, literal, repeated

Ranges = list[tuple[int, int]]

_LAST: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xDFFF)
_WORD: Final[Ranges] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_CLASSES: Final[dict[str, Ranges]] = {"d": [(0x30, 0x39)], "w": _WORD, "s": [(0x09, 0x0D), (0x20, 0x20)]}
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_HEX: Final = {"x": 2, "u": 4}


def pattern_rule(pattern: str) -> str:
    """Return a body for the JSON strings that a pattern matches; raise ValueError when it cannot be said."""
    reader = _Reader(pattern)
    body = reader.alternatives(outermost=True)
    if reader.rest():
        raise ValueError(f"{reader.rest()!r} is unexpected")
    return f'"\\"" ({body}) "\\""'


@final
class _Reader:
    """Read a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0

    def rest(self) -> str:
        """Return what is not read yet."""
        return self._pattern[self._place :]

    def alternatives(self, *, outermost: bool = False) -> str:
        """Read up to the end, or up to the bracket that closes a group."""
        bodies = [self._sequence(outermost)]
        while self._take("|"):
            bodies.append(self._sequence(outermost))
        return either(bodies)

    def _sequence(self, outermost: bool) -> str:
        """Read what follows each other; a pattern need not match from the beginning to the end unless it says so."""
        bodies = [] if not outermost or self._take("^") else ["char*"]
        while self._place < len(self._pattern) and self._pattern[self._place] not in "|)":
            if outermost and self._take("$"):
                return " ".join(bodies) or '""'
            bodies.append(self._repeated(self._atom()))
        return " ".join([*bodies, "char*"] if outermost else bodies) or '""'

    def _atom(self) -> str:
        if self._take("("):
            self._take("?:")
            body = self.alternatives()
            if not self._take(")"):
                raise ValueError("a group is not closed")
            return f"({body})"
        if self._take("["):
            return _characters(self._class())
        if self._take("."):
            return _characters([(0x20, _LAST)])
        character = self._pattern[self._place]
        if character in "^$*+?":
            raise ValueError(f"{character!r} stands where it means nothing, or too much")
        return _characters(self._escape() if self._take("\\") else self._one())

    def _repeated(self, body: str) -> str:
        """Read how often; whether as much or as little as possible makes no difference."""
        low, high = 1, 1
        if self._take("*"):
            low, high = 0, -1
        elif self._take("+"):
            low, high = 1, -1
        elif self._take("?"):
            low, high = 0, 1
        elif self._pattern.startswith("{", self._place):
            low, high = self._bounds()
        else:
            return body
        self._take("?")
        if max(low, high) > MOST_REPEATS or 0 <= high < low:
            raise ValueError(f"more than {MOST_REPEATS} repetitions")
        return repeated(body, low, None if high < 0 else high)

    def _bounds(self) -> tuple[int, int]:
        """Read {2}, {2,} or {2,3}; -1 is no bound."""
        inside, closed, _ = self._pattern[self._place + 1 :].partition("}")
        low, comma, high = inside.partition(",")
        if not closed or not low.isdecimal() or not (high.isdecimal() or high == ""):
            raise ValueError(f"{{{inside} is no repetition")
        self._place += len(inside) + 2
        return int(low), int(high) if high else (-1 if comma else int(low))

    def _class(self) -> Ranges:
        """Read the inside of square brackets and the closing one."""
        inverse = self._take("^")
        found: Ranges = []
        while not self._take("]"):
            item = self._member()
            found += self._range(item) if _is_one(item) and self._begins_range() else item
        return _inverse(found) if inverse else found

    def _begins_range(self) -> bool:
        return self._pattern.startswith("-", self._place) and self.rest()[1:2] not in ("]", "")

    def _range(self, first: Ranges) -> Ranges:
        self._take("-")
        last = self._member()
        if not _is_one(last) or last < first:
            raise ValueError("a range does not end after it begins")
        return [(first[0][0], last[0][1])]

    def _member(self) -> Ranges:
        if not self.rest():
            raise ValueError("a class is not closed")
        return self._escape() if self._take("\\") else self._one()

    def _one(self) -> Ranges:
        self._place += 1
        code = ord(self._pattern[self._place - 1])
        return [(code, code)]

    def _escape(self) -> Ranges:
        """Read what follows a backslash."""
        if not self.rest():
            raise ValueError("a backslash stands at the end")
        [(code, _)] = self._one()
        letter = chr(code)
        if letter.lower() in _CLASSES:
            ranges = _CLASSES[letter.lower()]
            return ranges if letter.islower() else _inverse(ranges)
        if letter in _HEX:
            digits = self.rest()[: _HEX[letter]]
            self._place += len(digits)
            return [(int(digits, 16), int(digits, 16))]
        if letter.isalnum() and letter not in _CONTROLS:
            raise ValueError(f"\\{letter} is not known")
        code = ord(_CONTROLS.get(letter, letter))
        return [(code, code)]

    def _take(self, text: str) -> bool:
        found = self._pattern.startswith(text, self._place)
        self._place += len(text) if found else 0
        return found


def _is_one(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def _inverse(ranges: Ranges) -> Ranges:
    """Return all characters that can be seen and are not among these."""
    found, start = [], 0x20
    for low, high in sorted([*ranges, _SURROGATES]):
        if low > start:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return [*found, (start, _LAST)] if start <= _LAST else found


def _characters(ranges: Ranges) -> str:
    """Return a body for one of these characters, the way it stands in a JSON string."""
    plain = "".join(f"{_code(low)}-{_code(high)}" for low, high in _without_escaped(ranges))
    escaped = [literal(json.dumps(chr(code))[1:-1]) for code in _escaped(ranges)]
    bodies = [f"[{plain}]"] if plain else []
    if not bodies and not escaped:
        raise ValueError("a class is empty")
    return f"({either([*bodies, *escaped])})" if escaped else bodies[0]


def _escaped(ranges: Ranges) -> list[int]:
    """Return those of the characters that JSON strings hold only escaped."""
    return [code for code in (0x22, 0x5C, *range(0x20)) if any(low <= code <= high for low, high in ranges)]


def _without_escaped(ranges: Ranges) -> Ranges:
    found = []
    for low, high in ranges:
        start = max(low, 0x20)
        for hole in (0x22, 0x5C, 0x7F):
            if start <= hole <= high:
                found += [(start, hole - 1)] if start < hole else []
                start = hole + 1
        found += [(start, high)] if start <= high else []
    return found


def _code(code: int) -> str:
    return f"\\U{code:08X}"
