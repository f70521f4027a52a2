"""The books of a soak: every request with what was injected into it, and what came of it."""

from __future__ import annotations

from collections import Counter
from typing import Final, final

from llms.testing.answers import Answer
from llms.testing.seen import Seen
from tests.proxy import Reply
from tests.soak.case import Case, Kind
from tests.soak.speech import Said, said
from tests.soak.upstream import scripted

SHOWN: Final = 20
"""Violations that are kept in words; all are counted."""


@final
class Ledger:
    """Number the cases, answer for the upstream, and judge what clients got."""

    def __init__(self) -> None:
        self.open: dict[str, Case] = {}
        """Cases under way, by their tags."""
        self.ended: Counter[str] = Counter()
        """Cases that ended, by the names of their kinds."""
        self.injected: Counter[str] = Counter()
        """Faults that the upstream played."""
        self.chunks = 0
        """Pieces of text that arrived and were what had been sent."""
        self.asked = 0
        """Requests to the upstream."""
        self.violated = 0
        self.violations: list[str] = []
        self._number = 0

    def begin(self, kind: Kind) -> Case:
        """Return a new case."""
        self._number += 1
        case = Case(self._number, kind)
        self.open[case.tag] = case
        return case

    def end(self, case: Case) -> None:
        """Close a case."""
        del self.open[case.tag]
        self.ended[case.kind.name] += 1

    def answer(self, seen: Seen) -> Answer:
        """Answer a request as its case wants it."""
        case = self.open[_prompt(seen)]
        case.seen.append(seen)
        case.reached.set()
        self.asked += 1
        if case.kind.fault != "none" and len(case.seen) == 1:
            self.injected[case.kind.fault] += 1
        return scripted(case, seen)

    def judge(self, case: Case, reply: Reply) -> None:
        """Hold an answer to what was sent and injected."""
        got, told = said(reply), case.kind.told
        wanted = case.text() if told.text == "all" else case.text(case.kind.pieces // 2)
        right = {
            "all": got.text == wanted,
            "half": got.text == wanted,
            "beginning": wanted.startswith(got.text),
            "nothing": not got.text,
        }[told.text]
        expected = got.word in told.words if told.words else not got.word
        if right and expected and got.ended:
            self.chunks += got.text.count(" ")
        else:
            self.violate(case, f"HTTP {reply.status}, {_shown(got)}")

    def violate(self, case: Case | None, problem: str) -> None:
        """Note what must not be."""
        self.violated += 1
        if len(self.violations) < SHOWN:
            about = f"{case.tag} ({case.kind.name}): " if case is not None else ""
            self.violations.append(about + problem)


def _prompt(seen: Seen) -> str:
    """Return what the user of a request in any dialect says."""
    turn = seen.json.get("messages") or seen.json.get("input")
    said = turn[-1]["content"] if isinstance(turn, list) else turn
    return str(said[0]["text"] if isinstance(said, list) else said)


def _shown(got: Said) -> str:
    end = "" if got.ended else ", not ended"
    return f"{got.text.count(' ')} pieces …{got.text[-40:]!r}, error {got.word!r} {got.message[:200]!r}{end}"
