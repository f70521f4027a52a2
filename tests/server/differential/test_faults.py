"""Whatever goes wrong in an exchange goes wrong in the same way on both paths."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import pytest

from llms.testing.answers import chunk
from tests.server.differential.asking import body, message, one, post, response
from tests.server.differential.conftest import Play
from tests.server.differential.pair import Case
from tests.server.differential.scripted import Script
from tests.server.differential.steps import Answered, Hear, How, Say, cut
from tests.server.differential.telling import (
    DONE,
    ERROR,
    ROLE,
    SSE,
    STEADY,
    STOP,
    STREAM,
    USAGE,
    answer,
    event,
    in_chunk,
    refusal,
    says,
    whole,
)

HEAD = answer()[0]
BEGUN = answer(ROLE, *STEADY)[:-1]
END = b"0\r\n\r\n"
GOOD = answer(*STREAM)
SPLIT = says("漢字 😀 é")
ENDLESS = b"data: " + b"x" * 200_000

ENDS: Mapping[str, Script] = {
    "no finish reason": answer(ROLE, *STEADY),
    "no finish reason, the connection's end": (*answer(ROLE, *STEADY, framing="close"), How.CLOSE),
    "a length that is not kept": (*answer(*STREAM, framing="length")[:-2], How.CLOSE),
    "a length that is exceeded": (*answer(*STREAM, framing="length"), b"more"),
    "nothing but a head": (HEAD, How.CLOSE),
    "an empty stream": answer(),
    "an empty stream by length": answer(framing="length"),
    "only DONE": answer(DONE),
    "half a head": (HEAD[:40], How.CLOSE),
    "no answer": (How.CLOSE,),
    "no answer, reset": (How.RESET,),
    "a reset behind the head": (HEAD, How.RESET),
    "a reset in the middle": (*BEGUN, How.RESET),
    "the end in the middle": (*BEGUN, How.CLOSE),
    "the end inside a chunk": (*BEGUN, b"40\r\ndata: ", How.CLOSE),
    "the end inside a size": (*BEGUN, b"4", How.CLOSE),
    "the end before the last chunk": (*answer(*STREAM)[:-1], How.CLOSE),
    "the end inside an event": (*answer(ROLE, *STEADY, STOP[:9]), How.CLOSE),
    "an error event first": answer(ERROR),
    "an error event in the middle": answer(ROLE, *STEADY, ERROR, *STEADY, STOP, DONE),
    "an error event with a name": answer(ROLE, *STEADY, b'event: error\ndata: {"message":"no"}\n\n'),
    "an error beside the choices": answer(ROLE, *STEADY, event({**chunk({}), "error": {"message": "no"}})),
    "no DONE": answer(ROLE, *STEADY, STOP),
    "events behind DONE": answer(*STREAM, *STEADY),
    "a finish reason twice": answer(ROLE, *STEADY, STOP, STOP, DONE),
    "text behind the finish reason": answer(ROLE, *STEADY, STOP, *STEADY, DONE),
    "usage before the finish": answer(ROLE, *STEADY, USAGE, STOP, DONE),
    "no role": answer(*STEADY, STOP, DONE),
    "another model in the middle": answer(ROLE, *STEADY, says("x", model="other"), STOP, DONE),
    "a second choice": answer(ROLE, *STEADY, says("x", index=1), says("y"), STOP, DONE),
    "a whole answer": whole(),
    "a whole answer in chunks": whole(framing="chunked"),
    "a whole answer until the end": (*whole(framing="close"), How.CLOSE),
    "a whole answer that is an error": whole(b'{"error":{"message":"it fell over"}}'),
    "a whole answer that is none": whole(b"{]"),
    "a whole answer of nothing": whole(b"{}"),
    "a whole answer, cut": (whole()[0][:-5], How.CLOSE),
    "a page": answer(b"<html>hello</html>", lines=(b"Content-Type: text/html",), framing="length"),
    "no body": answer(status=b"204 No Content", framing="length"),
}
PARSED: Mapping[str, Script] = {
    "broken JSON": answer(ROLE, *STEADY, b"data: {broken\n\n", *STEADY, STOP, DONE),
    "bad UTF-8": answer(ROLE, *STEADY, b"data: \xff\xfe\n\n", *STEADY, STOP, DONE),
    "junk": answer(ROLE, *STEADY, b"junk without a colon\n\n", *STEADY, STOP, DONE),
    "null": answer(ROLE, *STEADY, b"data: null\n\n", b"data: []\n\n", *STEADY, STOP, DONE),
    "bytes of all kinds": answer(ROLE, *STEADY, bytes(range(256)), *STEADY, STOP, DONE),
    "comments": answer(b": hello\n\n", ROLE, *STEADY, b": ping\n\n", *STEADY, STOP, DONE),
    "empty events": answer(ROLE, b"\n\n", b"data:\n\n", *STEADY, b"\n", STOP, DONE),
    "carriage returns": answer(*(part.replace(b"\n", b"\r\n") for part in STREAM)),
    "returns alone": answer(*(part.replace(b"\n", b"\r") for part in STREAM)),
    "a long event": answer(ROLE, says("x" * 60_000), STOP, DONE),
    "an event beyond the limit": answer(ROLE, *STEADY, says("x" * 90_000), STOP, DONE),
    "an event without end": answer(ROLE, *STEADY, ENDLESS, ENDLESS),
    "characters byte by byte": answer(ROLE, *cut(SPLIT, *range(len(SPLIT))), STOP, DONE),
    "a thousand events at once": answer(ROLE, b"".join(says(f"{n} ") for n in range(1000)), STOP, DONE),
    "halves of a character": answer(ROLE, says("\ud83d").replace(b"\xed\xa0\xbd", b"\\ud83d"), *STEADY, STOP, DONE),
    "separators": answer(ROLE, says("a\u2028b\u0085c"), *STEADY, STOP, DONE),
    "a control character": answer(ROLE, *STEADY, says("x").replace(b"x", b"\x01"), STOP, DONE),
    "equal keys": answer(ROLE, *STEADY, says("x").replace(b'"id"', b'"id":"other","id"'), STOP, DONE),
    "NaN": answer(ROLE, *STEADY, says("x").replace(b'"index":0', b'"index":0,"logprobs":NaN'), STOP, DONE),
}
FRAMED: Mapping[str, Script] = {
    "an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", *GOOD),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *GOOD),
    "interim answers in one read": (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + HEAD, *GOOD[1:]),
    "an upgrade": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", *GOOD),
    "trailers": (*GOOD[:-1], b"0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n"),
    "extensions": (HEAD, *(in_chunk(part, b";a=b") for part in STREAM), END),
    "large sizes": (HEAD, *(b"000" + in_chunk(part) for part in STREAM), END),
    "a chunk a byte": (HEAD, b"".join(in_chunk(bytes([byte])) for byte in b"".join(STREAM)), END),
    "events over chunks": (HEAD, *(in_chunk(piece) for piece in cut(b"".join(STREAM), *range(0, 2000, 50))), END),
    "HTTP/1.0": (
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Transfer-Encoding: chunked\r\n", b""),
        *STREAM,
        How.CLOSE,
    ),
    "a length and chunks": (HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n"), *GOOD[1:]),
    "chunks twice": (HEAD.replace(b"chunked", b"chunked, chunked"), *GOOD[1:]),
    "two lengths": (answer(*STREAM, lines=(SSE, b"Content-Length: 3"), framing="length")),
    "a negative length": (HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: -1"), *STREAM, How.CLOSE),
    "no digit for a size": (*BEGUN, b"zz\r\n", *GOOD[1:]),
    "a negative size": (*BEGUN, b"-1\r\n", *GOOD[1:]),
    "an endless size": (*BEGUN, b"fffffffffffffffff\r\n", *GOOD[1:]),
    "more than its size": (*BEGUN, b"3\r\nabcdef\r\n", END),
    "line feeds alone": (HEAD.replace(b"\r\n", b"\n"), *GOOD[1:]),
    "line feeds alone in the body": (*BEGUN, *(part.replace(b"\r\n", b"\n") for part in GOOD[8:])),
    "NUL in a header": (HEAD.replace(b"\r\n\r\n", b"\r\nX-A: a\0b\r\n\r\n"), *GOOD[1:]),
    "a header over two lines": (HEAD.replace(b"\r\n\r\n", b"\r\nX-A: a\r\n b\r\n\r\n"), *GOOD[1:]),
    "a header without end": (HEAD[:-2] + b"X-A: " + b"a" * 200_000,),
    "a giant head": (HEAD[:-2] + b"".join(b"X-%d: a\r\n" % n for n in range(9000)) + b"\r\n", *GOOD[1:]),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n",),
    "garbage": (bytes(range(256)),),
    "a status of no meaning": answer(*STREAM, status=b"299 Perhaps"),
    "a status of four digits": answer(*STREAM, status=b"2000 OK"),
    "two answers in one": (b"".join(GOOD) + b"".join(GOOD),),
    "bytes behind the answer": (*GOOD, b"more"),
    "the end behind the answer": (*GOOD, How.CLOSE),
    "compressed": answer(zlib.compress(b"".join(STREAM), wbits=31), lines=(SSE, b"Content-Encoding: gzip")),
    "compressed unknown": answer(*STREAM, lines=(SSE, b"Content-Encoding: br")),
    "closing": answer(*STREAM, lines=(SSE, b"Connection: close")),
    "a content type of its own": answer(*STREAM, lines=(b"content-type: TEXT/EVENT-STREAM; charset=utf-8",)),
    "no content type": answer(*STREAM, lines=()),
    "cookies and keys": answer(*STREAM, lines=(SSE, b"Set-Cookie: a=b", b"Server: theirs", b"X-Request-Id: up-1")),
    "an id of ours": answer(*STREAM, lines=(SSE, b"x-request-id: " + b"a" * 300)),
    "a redirect": answer(status=b"302 Found", lines=(b"Location: http://127.0.0.1:1/",), framing="length"),
}
REFUSED: Mapping[str, Script] = {
    **{status: refusal(status.encode()) for status in ("400 Bad", "401 No", "403 No", "404 No", "408 Late", "409 No")},
    **{status: refusal(status.encode()) for status in ("413 Big", "422 No", "429 Busy", "500 Oh", "502 Bad", "503 Oh")},
    "529 with patience": refusal(b"529 Overloaded", b"Retry-After: 7"),
    "429 with patience": refusal(b"429 Busy", b"Retry-After: 0", b"x-request-id: up-2"),
    "429 with a date": refusal(b"429 Busy", b"Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
    "429 without money": refusal(b"429 Busy", code="insufficient_quota"),
    "400 too long": refusal(b"400 Bad", code="context_length_exceeded", message="maximum context length is 9"),
    "400 that tells a key": refusal(b"400 Bad", message="your key sk-planted-a is bad"),
    "500 of plain text": answer(b"oh no", status=b"500 Oh", lines=(b"Content-Type: text/plain",), framing="length"),
    "500 of a page": answer(b"<html>no", status=b"500 Oh", lines=(b"Content-Type: text/html",)),
    "500 of nothing": answer(status=b"500 Oh", framing="length"),
    "500 cut": (refusal(b"500 Oh")[0][:-9], How.CLOSE),
    "500 reset": (refusal(b"500 Oh")[0][:-9], How.RESET),
    "200 and an error": whole(b'{"error":{"message":"no","code":429}}'),
}
SCRIPTS = {**ENDS, **PARSED, **FRAMED, **REFUSED}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_an_upstream_may_do(name: str, play: Play) -> None:
    for asked in (body(), body(stream=False), body("plain", stream_options={"include_usage": True})):
        fast, slow = play(one(post(asked), SCRIPTS[name]))
        assert fast.without_leaving() == slow.without_leaving()
        assert not fast.complaints
        assert fast.upstream


@pytest.mark.parametrize("name", SCRIPTS)
def test_in_the_dialect_of_the_client(name: str, play: Play) -> None:
    for path, asked in ((b"/v1/messages", message()), (b"/v1/responses", response())):
        fast, slow = play(one(post(asked, path=path), SCRIPTS[name]))
        assert fast == slow
        assert not fast.complaints


@pytest.mark.parametrize("name", SCRIPTS)
def test_told_in_another_dialect(name: str, play: Play) -> None:
    for stream in (True, False):
        fast, slow = play(one(post(message("plain", stream=stream), path=b"/v1/messages"), SCRIPTS[name]))
        assert fast.without_leaving() == slow.without_leaving()
        assert not fast.complaints
        assert fast.upstream


AGAIN: Mapping[str, tuple[str, tuple[Script, ...]]] = {
    **{
        f"{name}, the next does better": ("two", (script, GOOD))
        for name, script in {
            **REFUSED,
            "no answer": ENDS["no answer"],
            "error event": ENDS["an error event first"],
        }.items()
    },
    "reset, the next does better": ("two", ((How.RESET,), GOOD)),
    "an empty stream, the next does better": ("two", (answer(), GOOD)),
    "garbage, the next does better": ("two", (FRAMED["garbage"], GOOD)),
    "nobody, the next does better": ("lost", (GOOD,)),
    "nobody at all": ("nobody/s", (GOOD,)),
    "no second attempt after the first chunk": ("two", ((*BEGUN, How.RESET), GOOD)),
    "both fail": ("two", (refusal(b"500 Oh"), refusal(b"503 Oh", b"Retry-After: 3"))),
    **{f"{code} once": ("twice", (refusal(b"%d Oh" % code), GOOD)) for code in (408, 429, 500, 503)},
    "500 twice": ("twice", (refusal(b"500 Oh"), refusal(b"500 Oh"), GOOD)),
    "always 503": ("twice", (refusal(b"503 Oh"),)),
    "400, which is not retried": ("twice", (refusal(b"400 Bad"), GOOD)),
    "patience of none": ("twice", (refusal(b"429 Busy", b"Retry-After: 0"), GOOD)),
    "more patience than we have": ("twice", (refusal(b"429 Busy", b"Retry-After: 99"), GOOD)),
    "no stream": ("m1", (refusal(b"400 Bad", message="stream is not supported"), whole())),
    "a field of another dialect": ("s", (refusal(b"400 Bad", message="unknown field top_k"), GOOD)),
    "no usage": ("s", (refusal(b"400 Bad", message="unknown field stream_options"), GOOD)),
}


@pytest.mark.parametrize("name", AGAIN)
def test_what_is_tried_again(name: str, play: Play) -> None:
    model, scripts = AGAIN[name]
    for stream in (True, False):
        told = post(message(model, stream=stream, temperature=1, top_k=3), path=b"/v1/messages")
        for asked in (post(body(model, stream=stream)), told):
            fast, slow = play(one(asked, *scripts))
            assert fast == slow
            assert fast.clients[0].answers


QUIET: Sequence[tuple[str, Script]] = [
    ("before the head", (How.STALL,)),
    ("behind the head", (HEAD, Say("silent"), How.STALL)),
    ("behind the first event", (*answer(ROLE)[:-1], Say("silent"), How.STALL)),
    ("in the middle", (*BEGUN, Say("silent"), How.STALL)),
    ("inside an event", (*BEGUN, in_chunk(says("half")[:-9]), Say("silent"), How.STALL)),
    ("inside a whole answer", (whole()[0][:-9], Say("silent"), How.STALL)),
    ("inside a refusal", (refusal(b"500 Oh")[0][:-9], Say("silent"), How.STALL)),
    ("behind DONE", (*GOOD[:-1], Say("silent"), How.STALL)),
]


@pytest.mark.parametrize("how", [How.CLOSE, How.RESET, How.HALF_CLOSE])
@pytest.mark.parametrize(("where", "script"), QUIET, ids=[where for where, _ in QUIET])
def test_clients_that_leave(where: str, script: Script, how: How, play: Play) -> None:
    word = "silent" if Say("silent") in script else "request 1"
    # Behind the end of a chat it is a matter of turns whether its client has it already.
    until = Answered(1) if where == "behind DONE" else Hear(word)
    asked = [post(body(stream=stream)) for stream in (True, False)]
    asked += [post(message("plain", stream=stream), path=b"/v1/messages") for stream in (True, False)]
    asked += [post(message(), path=b"/v1/messages")] * (where != "behind DONE")
    for sent in asked:
        fast, slow = play(Case(((sent, until, how),), (script,)))
        assert fast == slow
        assert [sent.left for sent in fast.upstream] == [True]


@pytest.mark.parametrize(("where", "script"), QUIET, ids=[where for where, _ in QUIET])
def test_upstreams_that_fall_silent(where: str, script: Script, play: Play) -> None:
    # Behind the end of an answer nobody waits for more, so that there is no haste.
    model = "plain" if where == "behind DONE" else "hasty"
    for stream in (True, False):
        for asked in (post(body(model, stream=stream)), post(message(model, stream=stream), path=b"/v1/messages")):
            fast, slow = play(one(asked, script))
            assert fast == slow
            assert [sent.left for sent in fast.upstream] == [True]


def test_all_that_came_before_a_fault_is_told(play: Play) -> None:
    fast, slow = play(one(post(body()), (*BEGUN, How.RESET)))
    assert fast == slow
    told = fast.clients[0].answers[0].body
    assert told.startswith(b"".join((ROLE, *STEADY)))
    assert told.count(b'"error"') == 1


def test_a_difference_would_be_found(play: Play) -> None:
    """Check that what is compared tells cases apart: by bytes, by what was sent, by events and log, by figures."""
    steady = play(one(post(body()), GOOD))[0]
    assert play(one(post(body()), answer(*STREAM[:3], *STREAM[4:])))[0].clients != steady.clients
    assert play(one(post(body(user="x")), GOOD))[0].upstream != steady.upstream
    outcomes = [play(one(post(body()), script))[0] for script in {**ENDS, **REFUSED}.values()]
    assert sum(outcome.clients != steady.clients for outcome in outcomes) > len(outcomes) * 3 // 4
    assert sum(outcome.events != steady.events for outcome in outcomes) > len(outcomes) * 3 // 4
    assert sum(outcome.log != steady.log for outcome in outcomes) > len(outcomes) * 3 // 4
    assert sum(outcome.metrics != steady.metrics for outcome in outcomes) > len(outcomes) * 3 // 4
