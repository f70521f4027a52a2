"""The ledger finds every answer that is not what was sent, or that tells of another fault than the injected one."""

from __future__ import annotations

import json

import pytest

from llms.testing.answers import chunk
from tests.proxy import Reply
from tests.soak.case import Case, Kind
from tests.soak.ledger import Ledger

GOOD = Kind("good", 1, pieces=4)
CLOSED = Kind("closed", 1, "close midway", pieces=4)
CUT = Kind("cut", 1, "cut midway", pieces=4)
REFUSED = Kind("refused", 1, "429", pieces=4)


def streamed(*texts: str, error: str = "", done: bool = True, whole: bool = True) -> Reply:
    objects = [json.dumps(chunk({"content": text})) for text in texts]
    objects += [json.dumps({"error": {"message": "no", "code": error}})] if error else []
    objects += ["[DONE]"] if done and not error else []
    body = "".join(f"data: {one}\n\n" for one in objects).encode()
    return Reply(200, {"content-type": "text/event-stream"}, body, whole)


def refused(code: str) -> Reply:
    body = json.dumps({"error": {"message": "no", "code": code}}).encode()
    return Reply(429, {"content-type": "application/json"}, body, True)


def texts(case: Case, count: int) -> list[str]:
    return [case.piece(at) for at in range(count)]


def judged(kind: Kind, reply: Reply) -> Ledger:
    ledger = Ledger()
    ledger.judge(Case(1, kind), reply)
    return ledger


def test_what_was_sent_is_right() -> None:
    assert judged(GOOD, streamed(*texts(Case(1, GOOD), 4))).chunks == 4
    for kind, reply in (
        (CLOSED, streamed(*texts(Case(1, CLOSED), 2), error="upstream_truncated")),
        (CUT, streamed(*texts(Case(1, CUT), 1), error="upstream_unreachable")),
        (REFUSED, refused("rate_limit_exceeded")),
    ):
        assert judged(kind, reply).violations == []


FAULTY = {
    "a piece is lost": (GOOD, streamed(*texts(Case(1, GOOD), 3))),
    "a piece came twice": (GOOD, streamed(*texts(Case(1, GOOD), 4), Case(1, GOOD).piece(3))),
    "another one's text": (GOOD, streamed(*texts(Case(2, GOOD), 4))),
    "no end": (GOOD, streamed(*texts(Case(1, GOOD), 4), done=False)),
    "HTTP that breaks off": (GOOD, streamed(*texts(Case(1, GOOD), 4), whole=False)),
    "an error that nobody injected": (GOOD, streamed(*texts(Case(1, GOOD), 4), error="upstream_timeout")),
    "a refusal that nobody injected": (GOOD, refused("queue_full")),
    "a fault that is not told": (CLOSED, streamed(*texts(Case(1, CLOSED), 2))),
    "text that was lost before a fault": (CLOSED, streamed(*texts(Case(1, CLOSED), 1), error="upstream_truncated")),
    "another error than the injected": (CLOSED, streamed(*texts(Case(1, CLOSED), 2), error="upstream_timeout")),
    "text that was never sent": (CUT, streamed(*texts(Case(1, CUT), 3), error="upstream_truncated")),
    "text with a refusal": (REFUSED, streamed(*texts(Case(1, REFUSED), 1), error="rate_limit_exceeded")),
}


@pytest.mark.parametrize("wrong", FAULTY)
def test_what_was_not_sent_is_a_violation(wrong: str) -> None:
    ledger = judged(*FAULTY[wrong])

    assert (ledger.violated, len(ledger.violations), ledger.chunks) == (1, 1, 0)
