"""Turn YAML text into nodes, refusing what would surprise or harm: tags, duplicate keys, alias bombs, deep nesting.

The parser's events are read instead of the library's own node tree, because events still tell a written tag
from an implied one and can be abandoned at the first sign of an attack.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import yaml

from llms.config.nodes import REFUSED, Entry, Node, Refused, Scalar
from llms.config.problems import Path
from llms.config.report import Report
from llms.config.scalars import Surprise, resolve
from llms.config.syntax import syntax_problem

MAX_DEPTH = 32
MAX_NODES = 50_000

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: frozenset[Path] = frozenset({("ui", "streaming")})
"""Where `off` is a word of our own and cannot mean false."""


def compose(report: Report) -> Node | None:
    """Return the document of `report.source`, None where it is empty.

    Problems that leave the tree readable go into the report; raises ConfigError for the others.
    """
    events: Iterator[Any] = yaml.parse(report.source.text, Loader=_LOADER)
    try:
        return _Composer(events, report).document()
    except yaml.YAMLError as error:
        problem = syntax_problem(error, report.source)
    report.at(*problem)
    raise report.error()


class _Composer:
    """Reads the events of one document."""

    def __init__(self, events: Iterator[Any], report: Report) -> None:
        self._events = events
        self._report = report
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def document(self) -> Node | None:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        root = self._node(next(self._events), ())
        next(self._events)
        second = next(self._events)
        if isinstance(second, yaml.DocumentStartEvent):
            self._at(second, "a second document starts here", 'remove the line "---"')
        return root

    def _node(self, event: Any, path: Path) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        self._check_depth(event, len(path))
        self._count(event, 1)
        if event.tag is not None:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")[:80]
            self._at(event, f"the YAML tag {shown} is refused", "write the plain value", path)
        node = self._untagged(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _untagged(self, event: Any, path: Path) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            value = REFUSED if event.tag is not None else self._scalar(event, path)
            return _placed(value, event, event, text=event.value)
        content: dict[str, Entry] | list[Node]
        if isinstance(event, yaml.MappingStartEvent):
            content, end = self._mapping(path)
            below = [entry.node for entry in content.values()]
        else:
            content, end = self._sequence(path)
            below = content
        return _placed(REFUSED if event.tag is not None else content, event, end, below=below)

    def _alias(self, event: Any, path: Path) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            name = f"*{event.anchor}"[:80]
            self._at(event, f"there is no anchor &{name[1:]} above", f'if it is text, quote it: "{name}"', path)
            return _placed(REFUSED, event, event)
        self._check_depth(event, len(path) + node.height)
        self._count(event, node.size)
        return node

    def _scalar(self, event: Any, path: Path) -> Scalar | Refused:
        text: str = event.value
        if event.style or path in _WORDS:
            return text
        value = resolve(text)
        if isinstance(value, Surprise):
            self._at(event, value.message, value.hint, path)
            return REFUSED
        return value

    def _sequence(self, path: Path) -> tuple[list[Node], Any]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items, event

    def _mapping(self, path: Path) -> tuple[dict[str, Entry], Any]:
        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            value = next(self._events)
            node = self._node(value, path if key is None else (*path, key))
            if key == "<<" and not event.style:
                merged.append(node)
            elif key is not None and key in entries:
                first = entries[key].line
                self._at(event, "this key stands here twice", f"remove one; the first is in line {first}", (*path, key))
            elif key is not None:
                entries[key] = Entry(node, event.start_mark.line + 1, event.start_mark.column + 1)
        for node in merged:
            self._merge(entries, node, path)
        return entries, event

    def _key(self, event: Any, path: Path) -> str | None:
        """Return the text of a key, None where it was refused."""
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            self._at(event, "a key must be plain text", 'quote it: "…"', path)
            self._node(event, (*path, "?"))
            return None
        key: str = event.value
        self._count(event, 1)
        value = resolve(key) if not event.style else key
        if isinstance(value, Surprise):
            self._at(event, value.message, value.hint, path)
            return None
        if not isinstance(value, str):
            self._at(event, "a key must be text", f'quote it: "{key[:80]}"', path)
            return None
        if "${" in key:
            self._at(event, "a variable cannot stand in a key", "write the name itself", path)
            return None
        return key

    def _merge(self, entries: dict[str, Entry], node: Node, path: Path) -> None:
        """Take the keys of `node`, or of its items, that are not there yet (YAML's `<<`)."""
        for source in node.value if isinstance(node.value, list) else [node]:
            if isinstance(source.value, dict):
                for key, entry in source.value.items():
                    entries.setdefault(key, entry)
            else:
                where = (source.line, source.column)
                self._report.at(*where, "only mappings can be merged", "name an anchor of a mapping", path=path)

    def _check_depth(self, event: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._stop(event, f"is nested more than {MAX_DEPTH} levels deep", "check brackets, indentation and aliases")

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(event, f"has more than {MAX_NODES} values", "write less, with fewer aliases")

    def _at(self, event: Any, message: str, hint: str, path: Path = ()) -> None:
        mark = event.start_mark
        self._report.at(mark.line + 1, mark.column + 1, message, hint, path=path)

    def _stop(self, event: Any, message: str, hint: str) -> NoReturn:
        self._at(event, message, hint)
        raise self._report.error()


def _placed(
    value: Scalar | Refused | dict[str, Entry] | list[Node],
    start: Any,
    end: Any,
    *,
    text: str = "",
    below: Sequence[Node] = (),
) -> Node:
    first, last = start.start_mark, end.end_mark
    size = 1 + sum(node.size for node in below)
    height = 1 + max(node.height for node in below) if below else 0
    return Node(value, text, first.line + 1, first.column + 1, last.line + 1, last.column + 1, size, height)
