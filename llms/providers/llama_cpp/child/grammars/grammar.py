"""Grammars in llama.cpp's notation (GBNF), and those of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, final

_BASE: Final[Mapping[str, str]] = {
    "space": r'| " " | "\n" [ \t]{0,20}',
    # What JSON strings may hold: no control characters, and no halves of surrogate pairs.
    "char": (
        r'[^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | '
        r'"u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))'
    ),
    "string": r'"\"" char* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "value": "object | array | string | number | boolean | null",
    "colon": '":" " "?',
    "member": "string colon value",
    "object": '"{" space (member ("," space member)* space)? "}"',
    "array": '"[" space (value ("," space value)* space)? "]"',
}
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})

_LAST_SPELLED: Final = "\U0003ffff"

MOST_REPEATS: Final = 400
"""Of one thing with an upper bound; llama.cpp takes up to 2000 rules for it."""


@final
class Grammar:
    """Rules by name, to which others may be added."""

    __slots__ = ("_rules",)

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}

    def reserve(self) -> str:
        """Return a new name, so that a rule may speak of itself; `define` it later."""
        name = f"r{len(self._rules)}"
        self._rules[name] = ""
        return name

    def define(self, name: str, body: str) -> str:
        """Set what a reserved name stands for; return the name."""
        self._rules[name] = body
        return name

    def add(self, body: str) -> str:
        """Return the name of a new rule."""
        return self.define(self.reserve(), body)

    def text(self, root: str) -> str:
        """Return the grammar of what the body `root` stands for."""
        rules = {"root": root, **_BASE, **self._rules}
        return "\n".join(f"{name} ::= {body}" for name, body in rules.items())


def literal(text: str) -> str:
    """Return a body that stands for exactly this text."""
    return f'"{text.translate(_ESCAPES)}"'


def json_literal(value: Any) -> str:
    """Return a body that stands for exactly this value.

    Characters of far planes are escaped: not every vocabulary has the bytes to spell them.
    """
    text = json.dumps(value, ensure_ascii=False)
    return literal("".join(json.dumps(letter)[1:-1] if letter > _LAST_SPELLED else letter for letter in text))


def repeated(body: str, low: int, high: int | None) -> str:
    """Return a body for `low` to `high` times another one; None is any number."""
    if high is None:
        return f"({body})*" if low == 0 else f"({body}){{{low},}}"
    return f"({body}){{{low},{high}}}" if high else '""'


def either(bodies: Iterable[str]) -> str:
    """Return a body for any one of others, each of which is told once."""
    return " | ".join(dict.fromkeys(bodies))
