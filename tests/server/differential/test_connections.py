"""What several requests do to each other is the same on both paths: pipelines, kept connections, lines, draining."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.server.differential.asking import CLOSE, PROBE, body, message, post
from tests.server.differential.conftest import Play
from tests.server.differential.pair import Case, Pair
from tests.server.differential.scripted import Script
from tests.server.differential.steps import Answered, Came, Hear, How, Say, Step, cut
from tests.server.differential.telling import ROLE, STEADY, STREAM, WHOLE, answer, refusal, whole
from tests.server.wire import get

GOOD = answer(*STREAM)
BEGUN = answer(ROLE, *STEADY)[:-1]


def asked(number: int, *lines: bytes, model: str = "m", stream: bool = True) -> bytes:
    """Return one of several requests."""
    head = (b"Host: localhost", b"Content-Type: application/json", b"X-Request-Id: asked-%d" % number)
    return post(body(model, stream=stream), *lines, head=head)


ONE, TWO, THREE = asked(1), asked(2, stream=False), asked(3)
MESSAGE = post(message("plain"), path=b"/v1/messages")
HALF = b"GET /health HTTP/1.1\r\nX-A: "
# What is malformed comes in a read of its own: aiohttp refuses all of a read for it, also what stood before.
PIPELINED: Mapping[str, tuple[tuple[Step, ...], tuple[Script, ...]]] = {
    "three at once": ((ONE + TWO + THREE + PROBE,), (GOOD, whole(), GOOD)),
    "three in three writes": ((ONE, TWO, THREE, PROBE), (GOOD, whole(), GOOD)),
    "three, one after the other": (
        (ONE, Answered(1), TWO, Answered(2), THREE, Answered(3), PROBE),
        (GOOD, whole(), GOOD),
    ),
    "cut anywhere": (cut(ONE + TWO + THREE + PROBE, *range(0, 900, 13)), (GOOD, whole(), GOOD)),
    "cut byte by byte": (cut(ONE + TWO + PROBE, *range(900)), (GOOD, whole())),
    "the second while the first is answered": (
        (ONE, Hear("waiting"), TWO, Say("go"), Answered(2), PROBE),
        ((*BEGUN, Say("waiting"), Hear("go"), *GOOD[len(BEGUN) :]), whole()),
    ),
    "half of the second while the first is answered": (
        (ONE, Hear("waiting"), TWO[:50], Say("go"), Answered(1), TWO[50:], Answered(2), PROBE),
        ((*BEGUN, Say("waiting"), Hear("go"), *GOOD[len(BEGUN) :]), whole()),
    ),
    "a header that looks like a request, behind half a head that came while another route was busy": (
        (
            MESSAGE,
            Hear("waiting"),
            HALF,
            Say("go"),
            Answered(1),
            ONE,
            Answered(2),
            PROBE,
        ),
        ((*BEGUN, Say("waiting"), Hear("go"), *GOOD[len(BEGUN) :]), whole()),
    ),
    "the first closes": ((asked(1, CLOSE) + TWO,), (GOOD, whole())),
    "the second closes": ((ONE, asked(2, CLOSE), THREE), (GOOD,)),
    "the first is malformed": ((ONE.replace(b"HTTP/1.1", b"HTTP/x"), TWO, PROBE), (GOOD,)),
    "the second is malformed": ((ONE, b"GARBAGE\r\n\r\n", THREE), (GOOD,)),
    "the second is refused": ((ONE + post(b"{") + THREE + PROBE,), (GOOD,)),
    "the second is another route": ((ONE + get(b"/v1/models").replace(CLOSE + b"\r\n", b"") + THREE + PROBE,), (GOOD,)),
    "the first breaks": ((ONE + TWO + PROBE,), ((*BEGUN, How.RESET), whole())),
    "the first is refused upstream": ((ONE + TWO + PROBE,), (refusal(b"500 Oh"), whole())),
    "a body of another length": ((ONE[:-1] + TWO[:1], TWO[1:] + PROBE), (GOOD,)),
    "nothing behind it": ((ONE, Answered(1), How.CLOSE), (GOOD,)),
    "blank lines between": ((ONE + b"\r\n\r\n" + TWO + PROBE,), (GOOD, whole())),
    "dialects in turn": ((ONE + post(message(), path=b"/v1/messages") + THREE + PROBE,), (GOOD,)),
    "the upstream's connection ends between": (
        (ONE, Answered(1), Hear("closed"), TWO, Answered(2), PROBE),
        ((*GOOD, How.CLOSE, Say("closed")), whole()),
    ),
    "the upstream's kept connection is stale": (
        (ONE, Answered(1), TWO, Answered(2), PROBE),
        (GOOD, (How.CLOSE,), whole()),
    ),
    "the upstream says more than it should between": (
        (ONE, Answered(1), TWO, Answered(2), PROBE),
        ((*GOOD[:-1], GOOD[-1] + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), whole()),
    ),
    "the upstream closes politely": ((ONE, Answered(1), TWO, Answered(2), PROBE), (whole(WHOLE, CLOSE), whole())),
    "it leaves with a second request waiting": (
        (ONE + TWO, Hear("silent"), How.RESET),
        ((*BEGUN, Say("silent"), How.STALL),),
    ),
    "half a head": ((ONE, Answered(1), TWO[:30], How.HALF_CLOSE), (GOOD,)),
    "half a body": ((ONE, Answered(1), TWO[:-30], How.HALF_CLOSE), (GOOD,)),
    "half a body, reset": ((ONE, Answered(1), TWO[:-30], How.RESET), (GOOD,)),
    "nothing at all": ((How.HALF_CLOSE,), (GOOD,)),
}


@pytest.mark.parametrize("name", PIPELINED)
def test_requests_on_one_connection(name: str, play: Play) -> None:
    steps, scripts = PIPELINED[name]
    fast, slow = play(Case((steps,), scripts))
    assert fast.without_leaving() == slow.without_leaving()
    assert not fast.complaints


EXPECTING = asked(1, b"Expect: 100-continue")
SPLIT = EXPECTING.index(b"\r\n\r\n") + 4
EXPECTATIONS: Mapping[str, tuple[Step, ...]] = {
    "waits": (EXPECTING[:SPLIT], Came(b"100 Continue\r\n\r\n"), EXPECTING[SPLIT:], Answered(1), PROBE),
    "does not wait": (EXPECTING, Answered(1), PROBE),
    "in another case": (EXPECTING.replace(b"100-continue", b"100-Continue"), Answered(1), PROBE),
    "something else": (EXPECTING.replace(b"100-continue", b"miracles"), PROBE),
    "is refused": (EXPECTING[:SPLIT].replace(b"Host: localhost", b"Host: evil.example"),),
    "twice": (EXPECTING + EXPECTING + PROBE,),
}


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_clients_that_ask_before_they_send(name: str, play: Play) -> None:
    fast, slow = play(Case((EXPECTATIONS[name],), (GOOD,)))
    assert fast == slow


HELD = (*BEGUN, Say("held"), Hear("go"), *GOOD[len(BEGUN) :])


@pytest.mark.parametrize("stream", [True, False])
class TestLines:
    """A provider that takes one request at a time, and lets one wait."""

    def test_the_second_waits_for_the_first(self, stream: bool, play: Play) -> None:
        first = (asked(1, model="narrow"), Came(b"w5"), Say("begun"), Answered(1), PROBE)
        second = (Hear("begun"), asked(2, model="narrow", stream=stream), Say("go"), Answered(1), PROBE)
        fast, slow = play(Case((first, second), (HELD, GOOD if stream else whole())))
        assert fast == slow
        assert all(got.answers[0].first == b"HTTP/1.1 200 OK" for got in fast.clients)

    def test_the_third_is_turned_away(self, stream: bool, play: Play) -> None:
        first = (asked(1, model="narrow"), Came(b"w5"), Say("begun"), Hear("full"), Say("go"), Answered(1), PROBE)
        second = (Hear("begun"), asked(2, model="narrow"), Say("waits"), Answered(1), PROBE)
        third = (Hear("waits"), asked(3, model="narrow", stream=stream), Answered(1), Say("full"), PROBE)
        fast, slow = play(Case((first, second, third), (HELD, GOOD)))
        assert fast == slow
        assert fast.clients[2].answers[0].first == b"HTTP/1.1 429 Too Many Requests"

    @pytest.mark.parametrize("how", [How.CLOSE, How.RESET])
    def test_one_that_leaves_the_line_never_reaches_the_upstream(self, how: How, stream: bool, play: Play) -> None:
        first = (asked(1, model="narrow"), Came(b"w5"), Say("begun"), Hear("left"), Say("go"), Answered(1), PROBE)
        second = (Hear("begun"), asked(2, model="narrow", stream=stream), how, Say("left"))
        fast, slow = play(Case((first, second), (HELD, GOOD)))
        assert fast == slow
        assert len(fast.upstream) == 1


@pytest.mark.parametrize("stream", [True, False])
def test_a_server_that_is_draining(stream: bool, playing: tuple[Pair, Play]) -> None:
    pair, play = playing
    for side in (pair.fast, pair.slow):
        side.proxy.engine.drain()
    try:
        for request, status in ((asked(1, stream=stream), b"503"), (post(message(), path=b"/v1/messages"), b"529")):
            fast, slow = play(Case(((request, PROBE),), (GOOD,)))
            assert fast == slow
            assert [answer.first.split()[1] for answer in fast.clients[0].answers] == [status]
            assert not fast.upstream
    finally:
        for side in (pair.fast, pair.slow):
            side.proxy.engine.services.draining = False
