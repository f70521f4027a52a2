"""Look at a client's grammar (GBNF) before llama.cpp does, which some grammars would keep busy for years.

Before it begins, llama.cpp follows every way in which each rule can begin, again and again where rules share the rules
they begin with: twenty rules that each begin with one of two others take it seconds, forty a lifetime.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final, final

_TOKEN: Final = re.compile(
    r"""
    (?P<blank> \s+ | \#[^\n]* )
    | (?P<name> [A-Za-z0-9-]+ )
    | (?P<means> ::= )
    | (?P<text> "(?:\\.|[^"\\])*" | \[(?:\\.|[^\]\\])*\] | !?<[^>]*> | \. )
    | (?P<mark> [|()] )
    | (?P<often> [*+?] | \{[\s\d,]*\} )
    """,
    re.VERBOSE | re.DOTALL,
)
_NONE_IS_ENOUGH: Final = re.compile(r"[*?]|\{\s*(0|,)")
_MOST_STEPS: Final = 1_000_000
_DEEPEST: Final = 100
_MOST_RULES: Final = 600
"""Groups in brackets are rules too."""

_Item = tuple[str | None, bool]
"""A rule's name, None for a text; and whether it may be left out."""


def check_grammar(text: str) -> None:
    """Raise ValueError, with what is expected of a grammar, for one that llama.cpp cannot or must not read."""
    rules = _Reader(text).rules
    if "root" not in rules:
        raise ValueError("GBNF with a rule `root`")
    if any(ref is not None and ref not in rules for items in rules.values() for way in items for ref, _ in way):
        raise ValueError("GBNF that defines every rule that it names")
    if sum(map(_Steps(rules).of, rules)) > _MOST_STEPS:
        raise ValueError("a grammar whose rules begin in fewer ways")


@final
class _Reader:
    """Read the rules; groups become rules of their own."""

    def __init__(self, text: str) -> None:
        self.rules: dict[str, list[list[_Item]]] = {}
        self._open: list[str] = []
        """The rule that is read, and the groups in it."""
        name = ""
        for kind, word, line in _tokens(text):
            if kind == "means":
                if not name or len(self._open) > 1:
                    raise ValueError(f"GBNF, which it is not in line {line}")
                self._drop_name()
                self._begin(name)
            elif not self._open and kind != "name":
                raise ValueError(f"GBNF, which it is not in line {line}")
            elif kind == "often":
                self._repeat(word, line)
            elif kind == "mark":
                self._mark(word, line)
            elif self._open:
                self._last.append((word if kind == "name" else None, word == '""'))
            name = word if kind == "name" else ""
        if len(self._open) > 1:
            raise ValueError("GBNF, whose brackets are all closed")

    @property
    def _last(self) -> list[_Item]:
        return self.rules[self._open[-1]][-1]

    def _drop_name(self) -> None:
        """Take the name of a new rule away from the rule before, which it seemed to belong to."""
        if self._open:
            self._last.pop()
            self._open.pop()

    def _begin(self, name: str) -> None:
        if len(self.rules) >= _MOST_RULES:
            raise ValueError(f"GBNF of at most {_MOST_RULES} rules and groups")
        self.rules[name] = [[]]
        self._open.append(name)

    def _repeat(self, word: str, line: int) -> None:
        if not self._last:
            raise ValueError(f"GBNF, which repeats nothing in line {line}")
        ref, optional = self._last[-1]
        self._last[-1] = ref, optional or bool(_NONE_IS_ENOUGH.match(word))

    def _mark(self, word: str, line: int) -> None:
        if word == "|":
            self.rules[self._open[-1]].append([])
        elif word == "(":
            group = f"({len(self.rules)}"
            self._last.append((group, False))
            if len(self._open) > _DEEPEST:
                raise ValueError(f"GBNF of at most {_DEEPEST} brackets within each other")
            self._begin(group)
        elif len(self._open) == 1:
            raise ValueError(f"GBNF, which it is not in line {line}")
        else:
            self._open.pop()


@final
class _Steps:
    """Count the steps in which llama.cpp follows the beginnings of rules."""

    def __init__(self, rules: dict[str, list[list[_Item]]]) -> None:
        self._rules = rules
        self._empty: set[str] = set()
        """Rules that may stand for nothing."""
        self._known: dict[str, int] = {}
        self._note_empty()

    def of(self, name: str) -> int:
        """Return the steps of one rule; raise ValueError if it begins with itself."""
        if name not in self._known:
            self._known[name] = 0
            self._known[name] = 1 + sum(map(self.of, self._beginnings(name)))
        if not self._known[name]:
            raise ValueError("a grammar whose rules do not begin with themselves")
        return self._known[name]

    def _note_empty(self) -> None:
        """Find the rules that may stand for nothing, looking at each way once."""
        found: list[str] = []
        waiting: defaultdict[str, list[tuple[str, set[str | None]]]] = defaultdict(list)
        for name, ways in self._rules.items():
            for way in ways:
                needed = {ref for ref, optional in way if not optional}
                if not needed:
                    found.append(name)
                for ref in needed - {None}:
                    waiting[str(ref)].append((name, needed))
        while found:
            if (empty := found.pop()) not in self._empty:
                self._empty.add(empty)
                for name, needed in waiting[empty]:
                    needed.discard(empty)
                    if not needed:
                        found.append(name)

    def _may_miss(self, item: _Item) -> bool:
        ref, optional = item
        return optional or ref in self._empty

    def _beginnings(self, name: str) -> Iterator[str]:
        for way in self._rules[name]:
            for item in way:
                if item[0] is not None:
                    yield item[0]
                if not self._may_miss(item):
                    break


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield kind, text and line of each word that counts."""
    place, line = 0, 1
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            raise ValueError(f"GBNF, which it is not in line {line}")
        if found.lastgroup != "blank":
            yield found.lastgroup, found[0], line
        line += found[0].count("\n")
        place = found.end()
