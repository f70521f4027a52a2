"""Cases as hypothesis makes them: up to three requests on a connection, any heads, bodies, cuts, answers and faults."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from llms.testing import messages, responses
from llms.testing.transcripts import TRANSCRIPTS
from tests.server.differential.asking import (
    CHAT,
    CLOSE,
    HOST,
    JSON,
    PROBE,
    asking,
    body,
    in_chunks,
    message,
    post,
    response,
)
from tests.server.differential.pair import Case
from tests.server.differential.scripted import Script
from tests.server.differential.steps import Answered, Hear, How, Say, Step, cut
from tests.server.differential.telling import (
    DONE,
    FRAMINGS,
    ODD,
    ROLE,
    SSE,
    STOP,
    USAGE,
    WHOLE,
    answer,
    refusal,
    says,
    whole,
)

MODELS: Final = ("m", "m", "m", "plain", "two", "a/any", "real-model", "none", "lost")
TEXTS: Final = st.one_of(
    st.text(st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=32), max_size=6),
    st.text(max_size=6),
    st.sampled_from(['"', "\\", "\n", "\u2028", "\x85", "é", "漢", "😀", " ", ""]),
)

# -- what clients ask ----------------------------------------------------------------------------------------------

HEADS: Final[Sequence[Sequence[bytes]]] = (
    (),
    (),
    (b"Accept: application/json", b"Accept: text/event-stream"),
    (b"User-Agent: OpenAI/Python 2.0", b"Accept-Encoding: gzip, deflate", b"Connection: keep-alive"),
    (b"Authorization: Bearer sk-anything",),
    (b"x-api-key: anything", b"anthropic-version: 2023-06-01"),
    (b"X-LLMS-Stream: nothing",),
    (b"X-LLMS-Stream: batch",),
    (b"Origin: https://app.example",),
    (b"Origin: https://evil.example",),
    (b"Expect: 100-continue",),
    (b"x-llms-hops: 2",),
    (b"X-A: \xff", b"X-B:", b"X-A: again"),
    (b"Cache-Control: no-cache", b"Cookie: a=b", b"Content-Encoding: identity"),
    (b"Transfer-Encoding: identity",),
)
HOSTS: Final = (HOST, HOST, HOST, b"host: 127.0.0.1:8000", b"HOST: [::1]", b"Host: evil.example")
TYPES: Final = (JSON, JSON, JSON, b"content-type:application/json; charset=utf-8", b"Content-Type: text/plain", b"X: y")
IDS: Final = (b"X-Request-Id: asked", b"x-request-id: a.b_c-1", b"X-Request-Id: not fit", b"X-Other: 1")
PATHS: Final = (CHAT, CHAT, CHAT, CHAT, b"/chat/completions", CHAT + b"?a=b", CHAT + b"/stream", b"/v1/none")
MORE: Final[Sequence[dict[str, Any]]] = (
    {},
    {},
    {"stream_options": {"include_usage": True}},
    {"stream_options": {"include_usage": False}},
    {"temperature": 0.1, "metadata": {"model": "x", "stream": False}},
    {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"},
    {"n": 2, "stop": ["a"], "unknown": [1, {"deep": None}]},
    {"temperature": "hot"},
    {"messages": []},
    {"user": "é" * 3000},
)


class Request(NamedTuple):
    """One request, and which answers suit it."""

    data: bytes
    dialect: str
    stream: bool


@st.composite
def bodies(draw: st.DrawFn, model: str, stream: bool) -> bytes:
    """Draw the body of a chat, written in one way or another, or spoilt."""
    value = json.loads(body(model, stream=stream, **draw(st.sampled_from(MORE))))
    if draw(st.booleans()):
        value["messages"] = [{"role": "user", "content": draw(TEXTS)} for _ in value["messages"]]
    if draw(st.booleans()):
        value = dict(draw(st.permutations(list(value.items()))))
    compact = (",", ":") if draw(st.booleans()) else (", ", ": ")
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), separators=compact).encode("utf-8", "surrogatepass")
    return draw(
        st.sampled_from(
            [
                *[text] * 8,
                b" \r\n" + text + b"\n",
                text.replace(b'"model"', b'"mod\\u0065l"', 1),
                b'{"model":"plain","stream":false,' + text[1:],
                text[:-1] + b',"x":NaN}',
                text[:-1] + b',"x":[[[[1e400]]]]}',
                text[:-1],
                b"\xff" + text,
            ]
        )
    )


@st.composite
def requests(draw: st.DrawFn, *, last: bool) -> Request:
    """Draw one request whose end is where it says."""
    dialect = draw(st.sampled_from(("chat", "chat", "chat", "chat", "messages", "messages", "responses")))
    stream = draw(st.sampled_from((True, True, False)))
    path, data, dialect = _asked(draw, dialect, stream)
    lines = [draw(st.sampled_from(HOSTS)), draw(st.sampled_from(TYPES)), draw(st.sampled_from(IDS))]
    lines += draw(st.sampled_from(HEADS))
    if last and draw(st.booleans()):
        lines.append(draw(st.sampled_from((CLOSE, b"connection: Close"))))
    if draw(st.integers(0, 4)) == 0:
        places = draw(st.lists(st.integers(0, len(data)), max_size=4))
        lines.append(b"Transfer-Encoding: chunked")
        extension, trailers = draw(st.sampled_from([(b"", b""), (b";a=b", b""), (b"", b"X-T: 1\r\n")]))
        data = in_chunks(*cut(data, *places), extension=extension, trailers=trailers)
    else:
        lines.append(draw(st.sampled_from((b"Content-Length: %d", b"content-length:%d"))) % len(data))
    lines = draw(st.permutations(lines)) if draw(st.booleans()) else lines
    return Request(asking(data, lines, path=path), dialect, stream)


def _asked(draw: st.DrawFn, dialect: str, stream: bool) -> tuple[bytes, bytes, str]:
    """Draw a path and a body; return them with the dialect that the upstream answers in."""
    if dialect == "messages":
        model = draw(st.sampled_from(("m", "plain", "plain", "two")))
        answered = "chat" if model == "plain" else "messages"
        return b"/v1/messages", message(model, stream=stream), answered
    if dialect == "responses":
        return b"/v1/responses", response("m", stream=stream), dialect
    return draw(st.sampled_from(PATHS)), draw(bodies(draw(st.sampled_from(MODELS)), stream)), dialect


# -- what the upstream answers -------------------------------------------------------------------------------------

ENDS: Final[Sequence[Sequence[bytes]]] = ((STOP, DONE), (STOP, USAGE, DONE), (STOP,), (DONE,), ())
MESSAGES: Final = (
    messages.start()
    + messages.PING
    + messages.block(0, {"type": "text", "text": ""}, *(messages.delta("text", word) for word in "aé🎈b"))
    + messages.message_event()
    + messages.STOP
)
RESPONSES: Final = b"".join(responses.STREAM)
LINES: Final = st.sampled_from(
    [
        (SSE,),
        (SSE,),
        (SSE,),
        (b"content-type: text/event-stream; charset=utf-8", b"x-request-id: up-1", b"Server: theirs"),
        (SSE, b"Connection: close"),
        (b"Content-Type: application/json",),
        (),
    ]
)


def events_of(raw: bytes) -> list[bytes]:
    """Return a stream's events."""
    return [part + b"\n\n" for part in raw.removesuffix(b"\n\n").split(b"\n\n")]


@st.composite
def streams(draw: st.DrawFn, dialect: str) -> list[bytes]:
    """Draw the events of a stream: a documented one, or one that is steady at first and then anything."""
    if dialect == "messages":
        return events_of(MESSAGES)
    if dialect == "responses":
        return events_of(RESPONSES)
    if draw(st.integers(0, 3)) == 0:
        return events_of(draw(st.sampled_from(list(TRANSCRIPTS.values()))).raw)
    more = draw(
        st.lists(st.one_of(TEXTS.map(says), TEXTS.map(says), TEXTS.map(says), st.sampled_from(ODD)), max_size=8)
    )
    return [ROLE, says("a "), says("b "), *more, *draw(st.sampled_from(ENDS))]


@st.composite
def scripts(draw: st.DrawFn, request: Request) -> Script:
    """Draw an answer, cut into writes at its events or anywhere, whole or broken off; it ends in any case."""
    kind = draw(st.sampled_from(("stream",) * 6 + ("whole", "refusal", "nothing")))
    if kind == "nothing":
        return (draw(st.sampled_from((How.CLOSE, How.RESET))),)
    if kind == "refusal":
        return refusal(draw(st.sampled_from((b"400 Bad", b"401 No", b"404 No", b"429 Busy", b"500 Oh", b"503 Oh"))))
    if kind == "whole" or (not request.stream and draw(st.integers(0, 3))):
        return whole(draw(st.sampled_from((WHOLE, WHOLE, b'{"error":{"message":"no"}}', b"{}", b"["))))
    framing = draw(st.sampled_from(("chunked", *FRAMINGS)))
    played = list(answer(*draw(streams(request.dialect)), lines=draw(LINES), framing=framing))
    if framing == "chunked" and draw(st.integers(0, 4)) == 0:
        played = [
            draw(st.sampled_from((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"))),
            *played,
        ]
        played[-1] = b"0\r\nX-Trailer: 1\r\n\r\n"
    steps: list[Step] = [*_recut(draw, played)]
    fault = draw(st.sampled_from((None,) * 6 + (How.CLOSE, How.RESET)))
    if fault is not None:
        return (*steps[: draw(st.integers(0, len(steps)))], fault)
    return (*steps, How.CLOSE) if framing == "close" else tuple(steps)


def _recut(draw: st.DrawFn, writes: list[bytes]) -> Sequence[bytes]:
    how = draw(st.sampled_from(("as it is", "as it is", "anywhere", "at once", "in twos")))
    data = b"".join(writes)
    if how == "anywhere":
        return cut(data, *draw(st.lists(st.integers(0, len(data)), max_size=8)))
    if how == "at once":
        return [data]
    if how == "in twos":
        return [b"".join(writes[at : at + 2]) for at in range(0, len(writes), 2)]
    return writes


# -- both together -------------------------------------------------------------------------------------------------


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case that comes to its end without anybody's patience."""
    case = draw(_cases())
    # Who has seen how much when a client leaves is a matter of turns of the loop.
    leaves = any(isinstance(step, How) for step in case.clients[0])
    return replace(case, warm=not leaves and draw(st.booleans()))


@st.composite
def _cases(draw: st.DrawFn) -> Case:
    count = draw(st.sampled_from((1, 1, 1, 2, 3)))
    asked = [draw(requests(last=number == count - 1)) for number in range(count)]
    played = [draw(scripts(request)) for request in asked]
    if draw(st.integers(0, 9)) == 0:
        return _leaving(draw, asked[0], played[0])
    if draw(st.booleans()):
        # Behind a request that closes nothing may follow in the same read: aiohttp refuses all of it.
        closes = b"connection: close\r\n" in asked[-1].data.lower()
        sent = b"".join(request.data for request in asked) + (b"" if closes else PROBE)
        return Case((_cut(draw, sent),), tuple(played))
    steps: list[Step] = []
    for number, request in enumerate(asked, 1):
        steps += [*_cut(draw, request.data), Answered(number)]
    return Case(((*steps, PROBE),), tuple(played))


def _cut(draw: st.DrawFn, sent: bytes) -> tuple[bytes, ...]:
    return cut(sent, *draw(st.lists(st.integers(0, len(sent)), max_size=4)))


def _leaving(draw: st.DrawFn, asked: Request, played: Script) -> Case:
    """Return a client that leaves an upstream that has nothing more to say, or has not said all that it wanted."""
    how = draw(st.sampled_from((How.CLOSE, How.RESET, How.HALF_CLOSE)))
    if draw(st.integers(0, 3)) == 0:
        return Case(((asked.data[: draw(st.integers(0, len(asked.data) - 1))], how),), (played,))
    told = post(message("plain", stream=asked.stream), path=b"/v1/messages")
    chats = (*(post(body(model, stream=asked.stream)) for model in ("m", "two", "plain")), told)
    sent = {
        "chat": draw(st.sampled_from(chats)),
        "messages": post(message(stream=asked.stream), path=b"/v1/messages"),
        "responses": post(response(stream=asked.stream), path=b"/v1/responses"),
    }[asked.dialect]
    begun = [step for step in played if isinstance(step, bytes)]
    silent = begun[: draw(st.integers(0, len(begun)))]
    return Case(((*_cut(draw, sent), Hear("silent"), how),), ((*silent, Say("silent"), How.STALL),))
