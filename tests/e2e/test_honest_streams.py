"""How a stream ends, and what a client gets of a broken one: everything that came, then `[DONE]` or one error."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from llms.testing.answers import Answer, chunk, completion
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    body,
    close,
    comment,
    cut,
    end,
    error,
    event,
    garbage,
    half_chunk,
    head,
    joined,
    pause,
    raw,
    stall,
    text_stream,
    whole,
    whole_tools,
    wire,
)
from llms.testing.plain_client import calls_of, check_stream, finishes_of, text_of
from llms.testing.seen import Seen
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving

ONCE = "retries: 0, models: [real-model]"
THREE = text_stream("a b c ", usage=False, done=False, finish=None)
WHOLE = text_stream("a b c ", usage=False, done=False)
LONG_LENGTH = head(200, {"Content-Length": "100000"})
ERROR_KEYS = {"message", "type", "param", "code"}

UNFINISHED = {
    "a clean end of chunks": THREE,
    "a clean end of the connection": THREE.framed("close"),
    "a clean end of its length": THREE.framed("length"),
    "[DONE] without a finish reason": THREE.then(event("[DONE]")),
    "a finish reason that says error": text_stream("a b c ", usage=False, finish="error"),
    "EOF between chunks": THREE.then(close()),
    "EOF inside a chunk": THREE.then(half_chunk()),
    "EOF before the length": Answer((LONG_LENGTH, *THREE.steps), "length").then(close()),
    "EOF inside an event": THREE.framed("close").then(raw(b'data: {"id":"x","choices":[{"ind')),
    "a reset": THREE.then(pause(0.1), cut()),
}

FINISHED = {
    "a clean end of chunks": WHOLE,
    "a clean end of the connection": WHOLE.framed("close"),
    "a clean end of its length": WHOLE.framed("length"),
    "no blank line at the end": WHOLE.framed("close").then(raw(b"data: [DONE]")),
    "[DONE] twice": WHOLE.then(event("[DONE]"), event("[DONE]")),
    "chunks after [DONE]": WHOLE.then(event("[DONE]"), event(chunk({"content": "no"}))),
    "EOF between chunks": WHOLE.then(close()),
    "EOF inside a chunk": WHOLE.then(half_chunk()),
    "a reset": WHOLE.then(pause(0.1), cut()),
    "silence": WHOLE.then(stall()),
}

EMPTY = {
    "no body": answer(head()),
    "an empty body of its length": answer(head(), framing="length"),
    "EOF after the head": answer(head(), close()),
    "EOF without chunks": answer(head(), framing="close"),
    "a reset after the head": answer(head(), pause(0.05), cut()),
    "[DONE] alone": answer(event("[DONE]")),
    "comments alone": answer(comment(), comment("bye")),
    "EOF before the head": answer(close()),
    "a reset before the head": answer(cut()),
}

TOLD = {"message": "the model fell over", "type": "server_error", "param": None, "code": "model_down"}
ERROR_EVENTS = {
    "OpenAI's": event({"error": TOLD}),
    "named": event({"error": TOLD}, name="error"),
    "named, without a holder": event(TOLD, name="error"),
    "beside a chunk": event({**chunk({"content": "not this"}, "stop"), "error": TOLD}),
    "an object of its own": event({**TOLD, "object": "error"}),
}
ERROR_WORDS = {
    "text for an error": event({"error": "the model fell over"}),
    "plain text": event("the model fell over", name="error"),
    "text as JSON": event('"the model fell over"', name="error"),
}


async def stream(scripted: Answer, *, row: str = ONCE, more: str = "", **fields: Any) -> tuple[Reply, Proxy]:
    """Stream one answer through the proxy; whatever it was, the next request is answered."""
    async with FakeUpstream() as upstream:
        upstream.script(scripted, text_stream("fine"))
        async with serving(one_upstream(upstream, row=row, more=more)) as proxy:
            reply = await ask(proxy, chat(**fields))
            assert len(upstream.chats) == 1, "a second attempt was made"
            assert (await ask(proxy, chat())).text == "fine"
            await proxy.all_ended(2)
            assert not proxy.engine.gateway.live
    return reply, proxy


def check_failed(reply: Reply, proxy: Proxy, *, text: str, code: str) -> str:
    """Hold a broken stream to its promises; return the message of its error event."""
    assert (reply.status, reply.whole) == (200, True)
    assert reply.text == text
    assert "[DONE]" not in reply.events
    *chunks, last = reply.events
    check_stream(chunks)
    assert finishes_of(chunks) == []
    assert last.keys() == {"error"}
    assert last["error"].keys() == ERROR_KEYS
    assert last["error"]["code"] == code
    assert proxy.ended[0].error_code == code
    return str(last["error"]["message"])


@pytest.mark.parametrize("ending", UNFINISHED)
async def test_an_end_without_a_finish_reason_is_an_error(ending: str) -> None:
    reply, proxy = await stream(UNFINISHED[ending])

    check_failed(reply, proxy, text="a b c ", code="upstream_truncated")
    assert proxy.ended[0].outcome == "truncated"


@pytest.mark.parametrize("ending", FINISHED)
async def test_an_end_after_the_finish_reason_is_whole(ending: str) -> None:
    reply, proxy = await stream(FINISHED[ending], row=f"{ONCE}, timeouts: {{idle: 0.4s}}")

    assert (reply.status, reply.whole, reply.text, reply.done) == (200, True, "a b c ", True)
    check_stream(reply.events[:-1])
    assert finishes_of(reply.events[:-1]) == ["stop"]
    assert proxy.ended[0].outcome == "ok"


async def test_a_choice_that_is_open_makes_the_end_an_error() -> None:
    two = answer(event(chunk({"role": "assistant", "content": "x"})), event(chunk({"content": "y"}, index=1)))
    reply, proxy = await stream(two.then(event(chunk({}, "stop")), event("[DONE]")), n=2)

    assert "[DONE]" not in reply.events
    assert reply.error["code"] == "upstream_truncated"
    assert proxy.ended[0].outcome == "truncated"


@pytest.mark.parametrize("ending", EMPTY)
async def test_nothing_at_all_is_an_error_with_a_status(ending: str) -> None:
    reply, proxy = await stream(EMPTY[ending])

    assert reply.status == 502
    assert reply.headers["content-type"] == "application/json"
    assert reply.error.keys() == ERROR_KEYS
    assert reply.error["code"] in ("upstream_truncated", "upstream_unreachable")
    assert proxy.ended[0].outcome in ("truncated", "error")


async def test_broken_framing_is_an_error() -> None:
    reply, proxy = await stream(THREE.then(pause(0.05), wire(b"zz\r\nnonsense\r\n"), stall()))

    check_failed(reply, proxy, text="a b c ", code="upstream_protocol_error")


@pytest.mark.parametrize("again", [True, False], ids=["[DONE] after it", "nothing after it"])
@pytest.mark.parametrize("shape", ERROR_EVENTS)
async def test_an_error_event_in_the_middle_is_kept(shape: str, again: bool) -> None:
    after = (event(chunk({"content": "never"}, "stop")), event("[DONE]")) if again else ()
    reply, proxy = await stream(THREE.then(ERROR_EVENTS[shape], *after))

    assert "the model fell over" in check_failed(reply, proxy, text="a b c ", code="model_down")


@pytest.mark.parametrize("shape", ERROR_WORDS)
async def test_an_error_event_of_words_keeps_them(shape: str) -> None:
    reply, proxy = await stream(THREE.then(ERROR_WORDS[shape], event("[DONE]")))

    assert "the model fell over" in check_failed(reply, proxy, text="a b c ", code="upstream_error")


@pytest.mark.parametrize("shape", [*ERROR_EVENTS, *ERROR_WORDS])
async def test_an_error_event_at_first_is_an_error_with_a_status(shape: str) -> None:
    reply, _ = await stream(answer({**ERROR_EVENTS, **ERROR_WORDS}[shape], event("[DONE]")))

    assert reply.status == 502
    assert reply.headers["content-type"] == "application/json"
    assert "the model fell over" in reply.error["message"]
    assert reply.error["code"] == ("model_down" if shape in ERROR_EVENTS else "upstream_error")


@pytest.mark.parametrize(("code", "status"), [(429, 429), ("503", 503), (400, 400), (401, 502), (200, 502), (7, 502)])
async def test_a_numeric_code_of_an_error_event_is_its_status(code: object, status: int) -> None:
    reply, _ = await stream(answer(event({"error": {"message": "no luck", "code": code}})))

    assert reply.status == status


async def test_an_error_event_in_one_write_with_chunks_loses_none_of_them() -> None:
    reply, proxy = await stream(THREE.then(event({"error": TOLD})).joined())

    check_failed(reply, proxy, text="a b c ", code="model_down")


class TestOneBodyForAStream:
    """An upstream that cannot stream, or says so."""

    async def test_text_is_sent_on_as_chunks(self) -> None:
        reply, proxy = await stream(whole("Hello world"))

        assert (reply.text, reply.done) == ("Hello world", True)
        assert reply.headers["content-type"] == "text/event-stream"
        check_stream(reply.events[:-1])
        assert proxy.ended[0].usage.completion_tokens == 5

    async def test_its_type_may_be_written_in_any_way(self) -> None:
        said = body(completion({"content": "Hello"}), headers={"Content-Type": "Application/JSON; charset=utf-8"})
        reply, _ = await stream(said)

        assert (reply.text, reply.done) == ("Hello", True)

    async def test_usage_is_sent_on_when_asked(self) -> None:
        reply, _ = await stream(whole("Hello"), stream_options={"include_usage": True})

        check_stream(reply.events[:-1], include_usage=True)
        assert reply.events[-2]["choices"] == []
        assert reply.events[-2]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}

    async def test_tool_calls_are_sent_on_as_chunks(self) -> None:
        reply, _ = await stream(whole_tools())

        [call] = calls_of(reply.events[:-1])
        assert (call["id"], call["name"]) == ("call_0", "get_weather")
        assert json.loads(call["arguments"]) == {"city": "Zürich", "days": 3}
        assert finishes_of(reply.events[:-1]) == ["tool_calls"]

    @pytest.mark.parametrize(
        "content", [{"error": TOLD}, {"choices": []}, [], "<html><body>Sign in</body></html>"], ids=str
    )
    async def test_what_is_no_answer_is_an_error(self, content: Any) -> None:
        reply, _ = await stream(body(content))

        assert reply.status == 502
        assert reply.error["code"] in ("model_down", "upstream_protocol_error")

    async def test_a_refused_stream_is_asked_for_whole(self) -> None:
        def refuse(seen: Seen) -> Answer:
            told = {"error": {"message": "stream is not supported by this model", "param": "stream", "code": "x"}}
            return error(400, told) if seen.stream else whole("all at once")

        async with FakeUpstream() as upstream:
            upstream.on(refuse)
            async with serving(one_upstream(upstream)) as proxy:
                replies = [await ask(proxy, chat()) for _ in range(2)]
                assert [(r.text, r.done, r.headers["x-llms-attempts"]) for r in replies] == [
                    ("all at once", True, "1")
                ] * 2
                assert [seen.stream for seen in upstream.chats] == [True, False, False], "the refusal was forgotten"

    async def test_refused_stream_options_are_left_out(self) -> None:
        def refuse(seen: Seen) -> Answer:
            told = {"error": {"message": "Unrecognized request argument supplied: stream_options"}}
            return error(400, told) if "stream_options" in seen.json else text_stream("strict", usage=False)

        async with FakeUpstream() as upstream:
            upstream.on(refuse)
            async with serving(one_upstream(upstream)) as proxy:
                replies = [await ask(proxy, chat()) for _ in range(2)]
                assert [(r.text, r.done) for r in replies] == [("strict", True)] * 2
                assert [seen.asked_usage for seen in upstream.chats] == [True, False, False]


WAYS = {"as it comes": lambda a: a, "in one write": Answer.joined, "byte by byte": Answer.bytewise}


class TestOddEvents:
    """What the parser must bear."""

    @pytest.mark.parametrize("way", WAYS)
    async def test_malformed_events_are_skipped(self, way: str) -> None:
        reply, proxy = await stream(WAYS[way](garbage()))

        assert (reply.text, reply.done) == ("abcdef", True)
        assert proxy.ended[0].skipped == 5
        assert proxy.ended[0].outcome == "ok"

    @pytest.mark.parametrize("way", WAYS)
    async def test_every_line_end_and_field_is_read(self, way: str) -> None:
        lines = [json.dumps(chunk({"role": "assistant", "content": "a"}))]
        lines += [json.dumps(chunk({"content": text})) for text in "bcde"] + [json.dumps(chunk({}, "stop"))]
        a, b, c, d, e, stop = (line.encode() for line in lines)
        sent = b"\xef\xbb\xbf: hi\r\n\r\nretry: 5\r\n\r\nid: 1\r\n\r\ndata: %b\r\n\r\n" % a
        sent += b"id: 2\rdata:%b\r\r" % b + b"event: message\ndata: %b\nid: 3\n\n" % c
        sent += b"data: %b\r\n\r\n" % d.replace(b', "choices"', b',\r\ndata: "choices"') + b":\n:\n\n\n\n"
        sent += b"data: %b\n\ndata: %b\n\nretry: 9\n\ndata: [DONE]" % (e, stop)
        reply, proxy = await stream(WAYS[way](answer(raw(sent), framing="close")))

        assert (reply.text, reply.done) == ("abcde", True)
        assert b"\r" not in reply.body
        assert b"retry" not in reply.body
        assert re.search(rb"(?m)^(id|event):", reply.body) is None
        assert proxy.ended[0].skipped == 0

    async def test_a_line_of_two_megabytes_is_exact(self) -> None:
        text = "".join(f"{n}-äß€🎈\\\n" for n in range(120_000))
        sent = answer(event(chunk({"role": "assistant", "content": text})), event(chunk({}, "stop")))
        reply, _ = await stream(sent)

        assert len(text.encode()) > 2 * 2**20
        assert reply.text == text
        assert reply.done

    async def test_an_event_over_the_limit_is_an_error(self) -> None:
        sent = THREE.then(event(chunk({"content": "x" * 1_000_000})))
        reply, proxy = await stream(sent, row=f"{ONCE}, limits: {{max_event: 64KiB}}")

        assert "longer" in check_failed(reply, proxy, text="a b c ", code="upstream_protocol_error")

    async def test_characters_split_over_packets_are_exact(self) -> None:
        text = "Grüße aus Köln 🎈 – 你好, мир; 👩‍👩‍👧‍👦 ½"
        reply, _ = await stream(text_stream(text, chunks=7).bytewise())

        assert (reply.text, reply.done) == (text, True)

    async def test_ten_thousand_events_in_one_write_stay_in_order(self) -> None:
        texts = [f"{n} " for n in range(10_000)]
        sent = [event(chunk({"content": text})) for text in texts]
        first = event(chunk({"role": "assistant", "content": ""}))
        reply, proxy = await stream(answer(joined(first, *sent, event(chunk({}, "stop")), event("[DONE]"))))

        assert reply.text == "".join(texts)
        assert reply.done
        assert proxy.ended[0].chunks == 10_002

    @pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
    async def test_line_separators_are_escaped(self, streamed: bool) -> None:
        text = "one\u2028two\u2029three\u0085four"
        reply, _ = await stream(text_stream(text) if streamed else whole(text), stream=streamed)

        assert b"\\u2028two\\u2029three\\u0085four" in reply.body
        assert not any(c in reply.body.decode() for c in "\u2028\u2029\u0085")
        said = reply.text if streamed else json.loads(reply.body)["choices"][0]["message"]["content"]
        assert said == text

    async def test_half_characters_are_joined(self) -> None:
        events = [json.dumps(chunk({"content": text})) for text in ("a\ud83d", "", "\ude80b\ud83d", "\ude80")]
        assert "\\ud83d" in events[0]
        first = event(chunk({"role": "assistant", "content": ""}))
        reply, proxy = await stream(answer(first, *map(event, events), event(chunk({}, "stop"))))

        assert reply.text == "a🚀b🚀"
        assert reply.done
        check_stream(reply.events[:-1])
        assert proxy.ended[0].skipped == 0

    async def test_half_a_character_alone_becomes_a_mark(self) -> None:
        events = [event(json.dumps(chunk({"content": "a\ud83d"}))), event(chunk({"content": "b"}))]
        reply, _ = await stream(answer(*events, event(chunk({}, "stop"))))

        assert reply.text in ("a\ufffdb", "ab\ufffd")
        assert reply.done


class TestHeartbeats:
    """Signs of life in silence, which never break anything."""

    MORE = "defaults: {heartbeat: 0.3s}\n"
    FIRST = event(chunk({"role": "assistant", "content": "a"}))
    REST = (event(chunk({"content": "b"})), event(chunk({}, "stop")), event("[DONE]"))

    @staticmethod
    def frames(reply: Reply) -> list[str]:
        """Return the blocks of a stream; none may be anything but a ping or one line of data."""
        blocks = reply.body.decode().split("\n\n")
        assert blocks.pop() == ""
        assert all(block == ": ping" or (block.startswith("data: ") and "\n" not in block) for block in blocks)
        return blocks

    async def test_they_come_before_the_first_chunk(self) -> None:
        reply, _ = await stream(answer(pause(1.0), self.FIRST, *self.REST), more=self.MORE)

        frames = self.frames(reply)
        assert frames[:2] == [": ping", ": ping"]
        assert 2 <= frames.count(": ping") <= 4
        assert (reply.text, reply.done) == ("ab", True)
        assert reply.headers["content-type"] == "text/event-stream"

    async def test_they_come_in_the_middle(self) -> None:
        reply, _ = await stream(answer(self.FIRST, pause(1.0), *self.REST), more=self.MORE)

        frames = self.frames(reply)
        assert [frame == ": ping" for frame in frames[:3]] == [False, True, True]
        assert 2 <= frames.count(": ping") <= 4
        assert (reply.text, reply.done) == ("ab", True)

    async def test_none_come_where_there_is_no_silence(self) -> None:
        busy = [event(chunk({"content": "x"})) for _ in range(12)]
        paced = answer(self.FIRST, *busy, *self.REST).paced(0.05)
        reply, _ = await stream(paced, more=self.MORE)

        assert ": ping" not in self.frames(reply)

    async def test_zero_means_none(self) -> None:
        reply, _ = await stream(answer(self.FIRST, pause(0.5), *self.REST), more="defaults: {heartbeat: 0}\n")

        assert ": ping" not in self.frames(reply)

    async def test_they_never_split_an_event_that_comes_slowly(self) -> None:
        text = "Grüße 🎈 " * 2000
        data = b"data: " + json.dumps(chunk({"content": text}), ensure_ascii=False).encode() + b"\n\n"
        pieces = [data[at : at + 3001] for at in range(0, len(data), 3001)]
        slow = [step for piece in pieces for step in (raw(piece), pause(0.1))]
        reply, _ = await stream(answer(self.FIRST, *slow, *self.REST), more=self.MORE)

        frames = self.frames(reply)
        assert frames.count(": ping") >= 2
        assert reply.text == f"a{text}b"

    async def test_they_never_split_an_event_that_is_read_slowly(self) -> None:
        text = "x" * 12_000_000
        async with FakeUpstream() as upstream:
            upstream.script(answer(self.FIRST, event(chunk({"content": text})), *self.REST))
            async with serving(one_upstream(upstream, more=self.MORE)) as proxy:
                client = await RawClient.to(proxy)
                await client.send(chat())
                await asyncio.sleep(1.0)
                reply = await client.reply()
                client.close()

        assert len(self.frames(reply)) >= 4
        assert reply.text == f"a{text}b"
        assert reply.done

    async def test_none_come_after_the_end_that_is_read_slowly(self) -> None:
        big = event(chunk({"content": "x" * 12_000_000}, "stop"))
        async with FakeUpstream() as upstream:
            upstream.script(answer(self.FIRST, joined(big, event("[DONE]"))), text_stream("next"))
            async with serving(one_upstream(upstream, more=self.MORE)) as proxy:
                client = await RawClient.to(proxy)
                try:
                    await client.send(chat())
                    await asyncio.sleep(1.5)
                    assert (await client.reply()).done
                    await client.send(chat())
                    reply = await client.reply()
                finally:
                    client.close()

        assert (reply.status, reply.text, reply.done) == (200, "next", True)

    async def test_a_failure_after_one_is_an_error_event(self) -> None:
        late = answer(pause(0.8), joined(head(503), raw(json.dumps({"error": TOLD}).encode())), framing="close")
        reply, proxy = await stream(late, more=self.MORE)

        frames = self.frames(reply)
        assert frames[:2] == [": ping", ": ping"]
        assert len([frame for frame in frames if frame != ": ping"]) == 1
        assert check_failed(reply, proxy, text="", code="model_down")

    async def test_attempts_go_on_after_one(self) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(answer(pause(0.8), close()), error(503), text_stream("third"))
            async with serving(one_upstream(upstream, more=self.MORE)) as proxy:
                reply = await ask(proxy, chat())
                assert len(upstream.chats) == 3

        assert ": ping" in self.frames(reply)
        assert (reply.text, reply.done) == ("third", True)

    async def test_a_heartbeat_of_the_upstream_is_no_chunk(self) -> None:
        comments = [step for _ in range(8) for step in (comment("OPENROUTER PROCESSING"), pause(0.1))]
        reply, _ = await stream(answer(*comments, self.FIRST, end()), more=self.MORE)

        assert b"OPENROUTER" not in reply.body
        assert self.frames(reply)[0] == ": ping"
        assert text_of([e for e in reply.events if "choices" in e]) == "a"
