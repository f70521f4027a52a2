"""The load finds every kind of broken answer, and none in a whole one."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import orjson
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from benchmarks.dialect_checks import stream_check
from benchmarks.dialects import MESSAGES, RESPONSES, Dialect, told
from benchmarks.http1 import LAST_CHUNK, Message, http_chunk
from benchmarks.load import Load, Plan
from benchmarks.relay import make_app
from benchmarks.script import Script, completion, read_script, stream_blocks
from benchmarks.upstream import running_upstream
from benchmarks.visit import Outcome

ROLE, FIRST, FINISH, USAGE, DONE = 0, 1, -3, -2, -1  # where they stand among the events of a stream
CHUNKS = 8
STREAM = Plan(1, 1, stream=True, chunks=CHUNKS, deadline_s=5)
PLAIN = Plan(1, 1, size=300, deadline_s=5)

Events = list[bytes]
Spoil = Callable[[Events, Script], Events]
Answer = Callable[[Script, asyncio.StreamWriter], Awaitable[None]]


async def ask(port: int, plan: Plan) -> Outcome:
    tags = (f"{number:08x}" for number in itertools.count(1))
    return await asyncio.wait_for(Load(port, plan, tags=tags).run(), 20)


async def faults_of(answer: Answer, plan: Plan) -> dict[str, int]:
    async with answering(answer) as port:
        return dict((await ask(port, plan)).faults.counts)


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    """Serve one scripted answer a connection, then close."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        request, body = Message(), b""
        try:
            while not request.complete:
                body += request.feed(await reader.read(65_536))
            await answer(read_script(orjson.loads(body)["messages"][0]["content"]), writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


def head(content_type: str = "text/event-stream", status: str = "200 OK", length: int | None = None) -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    text = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nConnection: close\r\n{framing}\r\n\r\n"
    return text.encode()


def events_of(script: Script) -> Events:
    whole = b"".join(stream_blocks(script, usage=True))
    return [event + b"\n\n" for event in whole.split(b"\n\n")[:-1]]


def spoiled(spoil: Spoil) -> Answer:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        writer.write(head())
        for event in spoil(events_of(script), script):
            writer.write(http_chunk(event))
        writer.write(LAST_CHUNK)

    return answer


def without(place: int) -> Spoil:
    return lambda events, _: [event for event in events if event is not events[place]]


def doubled(events: Events, script: Script) -> Events:
    return [*events[:4], events[3], *events[4:]]


def reordered(events: Events, script: Script) -> Events:
    return [*events[:3], events[4], events[3], *events[5:]]


def foreign(events: Events, script: Script) -> Events:
    stranger = events_of(replace(script, tag="ffffffff"))[3]
    return [*events[:3], stranger, *events[3:]]


def altered(events: Events, script: Script) -> Events:
    return [*events[:3], events[3].replace("é".encode(), b"e"), *events[4:]]


def wrong_usage(events: Events, script: Script) -> Events:
    return [*events[:USAGE], events[USAGE].replace(b'"completion_tokens":8', b'"completion_tokens":7'), events[DONE]]


def wrong_reason(events: Events, script: Script) -> Events:
    return [*events[:FINISH], events[FINISH].replace(b'"stop"', b'"length"'), *events[USAGE:]]


def done_too_early(events: Events, script: Script) -> Events:
    return [*events[:USAGE], events[DONE], events[USAGE]]


def broken_json(events: Events, script: Script) -> Events:
    return [*events[:USAGE], b"data: {oops\n\n", *events[USAGE:]]


def error_event(events: Events, script: Script) -> Events:
    return [*events[:USAGE], b'data: {"error":{"message":"no"}}\n\n', *events[USAGE:]]


def half_an_event(events: Events, script: Script) -> Events:
    return [*events[:DONE], b"data: [DONE]\n"]


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (without(4), {"lost": 1}),
        (without(CHUNKS), {"lost": 1}),
        (doubled, {"doubled": 1}),
        (reordered, {"reordered": 1}),
        (foreign, {"foreign": 1}),
        (altered, {"altered": 1, "lost": 1}),
        (without(ROLE), {"role": 1}),
        (without(FINISH), {"finish": 1}),
        (without(USAGE), {"usage": 1}),
        (without(DONE), {"done": 1}),
        (wrong_usage, {"usage": 1}),
        (wrong_reason, {"finish": 1}),
        (done_too_early, {"order": 1}),
        (broken_json, {"malformed": 1}),
        (error_event, {"error event": 1}),
        (half_an_event, {"malformed": 1, "done": 1}),
    ],
)
async def test_each_fault_of_a_stream_is_found(spoil: Spoil, found: dict[str, int]) -> None:
    plan = replace(STREAM, size=48)
    assert await faults_of(spoiled(spoil), plan) == found


async def test_heartbeats_and_event_ids_are_no_faults() -> None:
    def decorated(events: Events, script: Script) -> Events:
        return [line for n, event in enumerate(events) for line in (b": beat\n\n", b"id: %d\n" % n + event)]

    assert await faults_of(spoiled(decorated), STREAM) == {}


async def test_a_stream_that_is_cut_is_found() -> None:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + http_chunk(events_of(script)[FIRST]))

    assert await faults_of(answer, STREAM) == {"cut": 1}


async def test_bytes_after_the_end_are_found() -> None:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + http_chunk(b"".join(events_of(script))) + LAST_CHUNK + b"more")

    assert await faults_of(answer, STREAM) == {"excess": 1}


async def test_broken_framing_is_found() -> None:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + b"zz\r\n")

    assert await faults_of(answer, STREAM) == {"framing": 1}


async def test_a_plain_answer_to_a_stream_is_found() -> None:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        body = completion(script)
        writer.write(head("application/json", length=len(body)) + body)

    assert await faults_of(answer, STREAM) == {"content type": 1}


async def test_a_refusal_is_found_with_its_words() -> None:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        writer.write(head("application/json", "429 Too Many Requests", length=9) + b"slow down")

    async with answering(answer) as port:
        faults = (await ask(port, STREAM)).faults
    assert dict(faults.counts) == {"status": 1}
    assert "429" in faults.first
    assert "slow down" in faults.first


async def test_an_answer_that_never_ends_is_late() -> None:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        writer.write(head() + http_chunk(events_of(script)[FIRST]))
        await asyncio.Event().wait()

    assert await faults_of(answer, replace(STREAM, deadline_s=0.3)) == {"late": 1}


async def test_nobody_listening_is_found_for_every_request() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    outcome = await ask(port, replace(PLAIN, connections=2, requests=3))
    assert dict(outcome.faults.counts) == {"connect": 6}


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda body: body.replace(b"again", b"agaim", 1), "altered"),
        (lambda body: body.replace(b'"content":"00000001', b'"content":"ffffffff'), "foreign"),
        (lambda body: body.replace(b'"total_tokens":12', b'"total_tokens":13'), "usage"),
        (lambda body: body.replace(b'"stop"', b'"length"'), "finish"),
        (lambda body: body[:-1], "malformed"),
        (lambda body: b"[]", "malformed"),
    ],
)
async def test_each_fault_of_a_plain_answer_is_found(spoil: Callable[[bytes], bytes], found: str) -> None:
    async def answer(script: Script, writer: asyncio.StreamWriter) -> None:
        body = spoil(completion(script))
        writer.write(head("application/json", length=len(body)) + body)

    assert await faults_of(answer, PLAIN) == {found: 1}


@pytest.mark.parametrize("interval_ms", [0, 2])
async def test_whole_streams_pass(interval_ms: float) -> None:
    async with running_upstream() as port:
        plan = replace(STREAM, connections=5, requests=3, chunks=20, interval_ms=interval_ms)
        outcome = await ask(port, plan)
    assert (outcome.faults.first, outcome.answers, outcome.chunks, outcome.open) == ("", 15, 300, 0)
    assert len(outcome.ttfts) == len(outcome.latencies) == 15


@pytest.mark.parametrize("dialect", [MESSAGES, RESPONSES])
async def test_whole_streams_of_other_dialects_pass(dialect: Dialect) -> None:
    async with running_upstream() as port:
        outcome = await ask(port, replace(STREAM, dialect=dialect, requests=2, interval_ms=2))
    assert (outcome.faults.first, outcome.answers, outcome.chunks) == ("", 2, 2 * CHUNKS)


@pytest.mark.parametrize("dialect", [MESSAGES, RESPONSES])
@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"000003", b"000004", {"doubled": 1, "lost": 1}),
        (b'"output_tokens":8', b'"output_tokens":9', {"usage": 1}),
        (b'"type":"message_start"', b'"type":"ping"', {"role": 1, "usage": 1}),
        (b'"type":"response.created"', b'"type":"ping"', {"role": 1}),
        (b'"type":"message_stop"', b'"type":"error"', {"error event": 1, "done": 1}),
        (b'"type":"response.completed"', b'"type":"error"', {"error event": 1, "finish": 1, "usage": 1, "done": 1}),
    ],
)
def test_each_fault_of_another_dialect_is_found(
    dialect: Dialect, old: bytes, new: bytes, found: dict[str, int]
) -> None:
    script = Script(chunks=CHUNKS)
    stream = b"".join(told(dialect.path, script, usage=True))
    check = stream_check(dialect, script)
    check.feed(stream.replace(old, new, 1))
    check.finish()
    assert dict(check.faults.counts) == (found if old in stream else {})


async def test_whole_plain_answers_pass() -> None:
    async with running_upstream() as port:
        outcome = await ask(port, replace(PLAIN, connections=4, requests=10, prompt_bytes=200_000))
    assert (outcome.faults.first, outcome.answers) == ("", 40)


async def test_no_request_begins_when_time_is_over() -> None:
    async with running_upstream() as port:
        outcome = await ask(port, replace(PLAIN, requests=1000, seconds=0))
    assert (outcome.faults.total, outcome.answers) == (0, 0)


async def test_the_relay_passes_five_streams_and_plain_answers() -> None:
    async with (
        running_upstream() as port,
        ClientSession() as session,
        TestServer(make_app(session, f"http://127.0.0.1:{port}"), host="127.0.0.1") as relay,
    ):
        assert relay.port is not None
        streams = await ask(relay.port, replace(STREAM, connections=5, chunks=30, interval_ms=2))
        plain = await ask(relay.port, replace(PLAIN, requests=5))
    assert (streams.faults.first, streams.answers, streams.chunks) == ("", 5, 150)
    assert (plain.faults.first, plain.answers) == ("", 5)
