"""The short cut says the same in every dialect, whichever the upstream speaks: with it, and without."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.streaming.lane import Unframed
from llms.testing import messages
from llms.testing.answers import chunk
from llms.testing.fake_upstream import FakeUpstream, cut, stall
from llms.testing.steps import Step
from llms.testing.transcripts import TRANSCRIPTS
from tests.gateway.test_short_cut import EVENTS, FAST, NOW, SLOW, Both, read_by_read, says
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving

Asked = tuple[str, dict[str, Any]]
THINKING = {"type": "enabled", "budget_tokens": 1024}
_MESSAGES = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
_RESPONSES = {"model": "m", "input": "hi", "stream": True, "store": False}
OF_CHATS: dict[str, Asked] = {
    "messages": ("/v1/messages", _MESSAGES),
    "messages, thinking": ("/v1/messages", {**_MESSAGES, "max_tokens": 2048, "thinking": THINKING}),
    "responses": ("/v1/responses", _RESPONSES),
    "responses, summary": ("/v1/responses", {**_RESPONSES, "reasoning": {"effort": "low", "summary": "auto"}}),
    "completions": ("/v1/completions", {"model": "m", "prompt": "hi", "stream": True, "echo": True}),
}
OF_MESSAGES: dict[str, Asked] = {
    "chat": ("/v1/chat/completions", chat(stream_options={"include_usage": True})),
    **{name: asked for name, asked in OF_CHATS.items() if not name.startswith("messages")},
}
OF_GEMINI = {"chat": OF_MESSAGES["chat"], **OF_CHATS}
WORDS = ["a", "b", *(f'w{number} é😀 "\n' for number in range(40))]
_NEW = re.compile(rb'resp_[0-9a-f]{48}|(?:msg|rs|fc|ctc)_[0-9a-f]{40,}|"(?:created|completed)(?:_at)?":\d+')
"""Ids and times that are others each time."""


def event(item: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(item).encode()


ROLE = event(chunk({"role": "assistant", "content": ""}))
STOP = event(chunk({}, "stop"))
DONE = b"data: [DONE]\n\n"


def thinks(text: str) -> bytes:
    return says(text).replace(b'"content"', b'"reasoning_content"')


def calls(arguments: str, **more: Any) -> bytes:
    return event(chunk({"tool_calls": [{"index": 0, **more, "function": {"name": "f", "arguments": arguments}}]}))


def block(at: int, kind: str, *texts: str) -> list[bytes]:
    """Return the events of one block, each with blanks of another number at its end, as Anthropic has them."""
    begun = {"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {})}
    signed = (messages.delta("signature", "sig"),) if kind == "thinking" else ()
    told = messages.block(at, begun, *(messages.delta(kind, text) for text in texts), *signed)
    frames = [frame for frame in told.split(b"\n\n") if frame]
    return [b"%b%b}\n\n" % (frame[:-1], b" " * (number * 7 % 5)) for number, frame in enumerate(frames)]


def message(*blocks: list[bytes]) -> list[bytes]:
    ending = [messages.message_event(), messages.STOP]
    return [messages.start(), messages.PING, *(each for some in blocks for each in some), *ending]


@asynccontextmanager
async def both(kind: str = "openai_compatible") -> AsyncGenerator[Both, None]:
    row = "retries: 0, models: [real-model], timeouts: {idle: 5s}"
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream())
        configured = [one_upstream(upstream, row=row, more=more) for more in (FAST, SLOW)]
        fast, slow = [
            await stack.enter_async_context(serving(text.replace("openai_compatible", kind))) for text in configured
        ]
        for proxy in (fast, slow):
            proxy.engine.gateway._now = lambda: NOW
        yield Both(upstream, fast, slow, normal=lambda body: _NEW.sub(b"NEW", body))


async def compare(proxies: Both, asked: Asked, *pieces: bytes | Step) -> Reply:
    path, body = asked
    return await proxies.compare(read_by_read(*pieces), path=path, body=body)


def gemini(*parts: Any, tokens: int = 1, finish: str | None = None) -> bytes:
    """Return one event, with the line ends that Google's have, and counts that grow."""
    end = {"finishReason": finish} if finish else {}
    candidate = {"content": {"parts": [*parts], "role": "model"}, **end, "index": 0}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": tokens, "totalTokenCount": 7 + tokens}
    item = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x", "responseId": "r1"}
    return b"data: %b\r\n\r\n" % json.dumps(item, ensure_ascii=False).encode()


def of_gemini(*texts: str, **more: Any) -> list[bytes]:
    return [gemini({"text": text, **more}, tokens=number) for number, text in enumerate(texts)]


GEMINI_ENDS = gemini({"text": ""}, tokens=99, finish="STOP")


async def streamed(kind: str, asked: Asked, *pieces: bytes | Step) -> tuple[Reply, Proxy]:
    path, body = asked
    async with FakeUpstream() as upstream:
        configured = one_upstream(upstream, row="models: [real-model]", more=FAST).replace("openai_compatible", kind)
        async with serving(configured) as proxy:
            upstream.script(read_by_read(*pieces))
            reply = await ask(proxy, body, path=path)
            await proxy.all_ended(1)
            return reply, proxy


class TestWhatPasses:
    @pytest.mark.parametrize("dialect", OF_CHATS)
    async def test_the_text_of_a_chat_wakes_nobody(self, dialect: str, written: list[bytes]) -> None:
        reply, _ = await streamed("openai_compatible", OF_CHATS[dialect], ROLE, *map(says, WORDS), STOP, DONE)

        assert json.dumps(WORDS[-1], ensure_ascii=False)[1:-1] in reply.body.decode()
        assert len(written) < 8

    async def test_it_needs_no_parser(self, monkeypatch: pytest.MonkeyPatch) -> None:
        passed: list[bool] = []
        take = Unframed.take

        def noting(unframed: Unframed, data: bytes) -> bool:
            passed.append(take(unframed, data))
            return passed[-1]

        monkeypatch.setattr(Unframed, "take", noting)
        await streamed("openai_compatible", OF_CHATS["messages"], ROLE, *map(says, WORDS), STOP, DONE)

        assert passed.count(True) > 30

    @pytest.mark.parametrize("dialect", ["messages, thinking", "responses", "responses, summary"])
    async def test_nor_does_its_reasoning(self, dialect: str, written: list[bytes]) -> None:
        told = map(thinks, WORDS)
        reply, _ = await streamed("openai_compatible", OF_CHATS[dialect], ROLE, *told, says("so"), STOP, DONE)

        assert json.dumps(WORDS[-1], ensure_ascii=False)[1:-1] in reply.body.decode()
        assert len(written) < 9

    @pytest.mark.parametrize("dialect", OF_MESSAGES)
    @pytest.mark.parametrize("kind", ["text", "thinking"])
    async def test_nor_do_messages(self, dialect: str, kind: str, written: list[bytes]) -> None:
        told = message(block(0, kind, *WORDS), block(1, "text", "so"))
        reply, proxy = await streamed("anthropic", OF_MESSAGES[dialect], *told)

        tells = kind == "text" or dialect != "completions"
        assert (json.dumps(WORDS[-1], ensure_ascii=False)[1:-1] in reply.body.decode()) is tells
        assert not tells or len(written) < 9
        assert (await proxy.all_ended(1))[0].chunks >= len(WORDS)

    @pytest.mark.parametrize("dialect", OF_GEMINI)
    async def test_nor_does_gemini(self, dialect: str, written: list[bytes]) -> None:
        reply, proxy = await streamed("gemini", OF_GEMINI[dialect], *of_gemini(*WORDS), GEMINI_ENDS)

        assert json.dumps(WORDS[-1], ensure_ascii=False)[1:-1] in reply.body.decode()
        assert len(written) < 8
        [ended] = await proxy.all_ended(1)
        assert (ended.usage.prompt_tokens, ended.usage.completion_tokens) == (7, 99)
        assert ended.chunks >= len(WORDS)

    async def test_what_was_thought_is_given_back_whole(self) -> None:
        reply, _ = await streamed("anthropic", OF_MESSAGES["chat"], *message(block(0, "thinking", *WORDS)))

        details = [
            detail
            for each in reply.events[:-1]
            for choice in each["choices"]
            for detail in choice["delta"].get("reasoning_details", ())
        ]
        assert [(detail["text"], detail["signature"]) for detail in details] == [("".join(WORDS), "sig")]

    async def test_the_end_of_a_response_has_all_that_passed(self) -> None:
        asked = OF_CHATS["responses"]
        told = [*map(thinks, WORDS), *map(says, WORDS)]
        reply, _ = await streamed("openai_compatible", asked, ROLE, *told, STOP, DONE)

        events = [json.loads(line[6:]) for line in reply.body.splitlines() if line.startswith(b"data: ")]
        thought, said = events[-1]["response"]["output"]
        assert thought["content"][0]["text"] == said["content"][0]["text"] == "".join(WORDS)
        assert [told["sequence_number"] for told in events] == list(range(len(events)))


def scored(text: str) -> Any:
    item = chunk({"content": text})
    item["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}]}
    return item


CITED = {"annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "x"}}]}
CALL = [calls("", id="c", type="function"), calls('{"a"'), calls(": 1}")]
ODD_CHATS: dict[str, Sequence[bytes | Step]] = {
    "reasoning, then text": [*map(thinks, WORDS[:9]), *map(says, WORDS[:9]), STOP, DONE],
    "text, then reasoning": [*map(says, WORDS[:9]), *map(thinks, WORDS[:9]), *map(says, WORDS[:9]), STOP, DONE],
    "a citation between thoughts": [*map(thinks, "abcd"), event(chunk(CITED)), *map(thinks, "efg"), *map(says, "abc")],
    "a call without a name": [
        *map(says, "abcd"),
        event(chunk({"tool_calls": [{"index": 0, "id": "c"}]})),
        *map(says, "efg"),
    ],
    "a call between": [*map(says, WORDS[:9]), *CALL, *map(says, WORDS[:9]), STOP, DONE],
    "escapes": [
        *map(says, "abcde"),
        *(says("/é").replace(b"/", b"\\" + each) for each in (b"/", b"u0041", b"b")),
        STOP,
    ],
    "nothing": [*map(says, ["a", "b", "c", "", "d", "", "e"]), STOP, DONE],
    "another choice": [says("a"), says("x", index=1), *[says("b", index=1)] * 9, STOP, DONE],
    "what is known is not what is told": [
        *map(thinks, "abcd"),
        *[says("A").replace(b"A", b"\\u0041")] * 9,
        says("x"),
        *map(thinks, "efgh"),
        says("y"),
    ],
    "and the other way round": [
        *map(says, "abcd"),
        *[thinks("A").replace(b"A", b"\\u0041")] * 9,
        *map(says, "efgh"),
        thinks("x"),
        *map(says, "ijkl"),
    ],
    "logprobs": [event(scored(text)) for text in "abcdefgh"],
    "two choices": [ROLE, says("x", index=1), *[says("a"), says("b", index=1)] * 9, STOP, DONE],
    "several at once": [
        *map(says, "abcd"),
        b"".join(map(says, "efgh")),
        b"".join(map(says, ["i", "", "j"])),
        STOP,
        DONE,
    ],
    "the end in a read": [*map(says, "abcd"), says("e") + STOP + DONE],
    "half an event": [*map(says, "abcd"), says("ef")[:-7], says("ef")[-7:], *map(says, "gh"), STOP, DONE],
    "a cut": [*map(says, "abcdefgh"), cut()],
    "an error": [*map(says, "abcdefgh"), event({"error": {"message": "it fell over"}}), says("more")],
}
ODD_MESSAGES: dict[str, Sequence[bytes | Step]] = {
    "one place twice": message(block(0, "thinking", *WORDS[:9]), block(0, "thinking", *WORDS[:9])),
    "thinking, then text": message(block(0, "thinking", *WORDS[:9]), block(1, "text", *WORDS[:9])),
    "several at once": [b"".join(message(block(0, "text", *WORDS)))],
    "nothing": message(block(0, "thinking", *"ab", "", *"cd"), block(1, "text", *"ab", "", *"cd")),
    "pings": [messages.PING + each for each in message(block(0, "text", *WORDS[:9]))],
    "escapes": [
        each.replace(b"/", b"\\/").replace(b"$", b"\\u0041")
        for each in message(block(0, "text", *"abc", "/", "$", *"de"))
    ],
    "half an event": [part for each in message(block(0, "text", *"abcdefgh")) for part in (each[:-7], each[-7:])],
    "a cut": [*message(block(0, "text", *WORDS[:9]))[:-4], cut()],
    "an error": [*message(block(0, "text", *WORDS[:9]))[:-4], messages.event("error", error={"type": "x"})],
}


ODD_GEMINI: dict[str, Sequence[bytes | Step]] = {
    "thoughts, then text": [*of_gemini(*WORDS[:9], thought=True), *of_gemini(*WORDS[:9]), GEMINI_ENDS],
    "nothing": [*of_gemini(*"ab", "", *"cd"), GEMINI_ENDS],
    "two parts": [*of_gemini(*"abc"), gemini({"text": "d"}, {"text": "e"}), *of_gemini(*"fg"), GEMINI_ENDS],
    "several at once": [*of_gemini(*"abc"), b"".join(of_gemini(*"defg")), GEMINI_ENDS],
    "escapes": [each.replace(b"/", b"\\/").replace(b"$", b"\\u0041") for each in of_gemini(*"abc/d$ef")],
    "a call": [*of_gemini(*"abc"), gemini({"functionCall": {"name": "f", "args": {}}}), *of_gemini(*"de"), GEMINI_ENDS],
    "half an event": [part for each in of_gemini(*"abcdefgh") for part in (each[:-7], each[-7:])],
    "an error": [*of_gemini(*"abcd"), event({"error": {"code": 500, "message": "no", "status": "INTERNAL"}})],
    "a cut": [*of_gemini(*"abcd"), cut()],
}


class TestTheSame:
    @pytest.mark.parametrize("dialect", OF_CHATS)
    async def test_documented_chats(self, dialect: str) -> None:
        async with both() as proxies:
            for transcript in TRANSCRIPTS.values():
                events = [part + b"\n\n" for part in transcript.raw.split(b"\n\n")]
                await compare(proxies, OF_CHATS[dialect], *events)
            for odd in ODD_CHATS.values():
                await compare(proxies, OF_CHATS[dialect], ROLE, *odd)

    @pytest.mark.parametrize("dialect", OF_MESSAGES)
    async def test_odd_messages(self, dialect: str) -> None:
        async with both("anthropic") as proxies:
            for odd in ODD_MESSAGES.values():
                await compare(proxies, OF_MESSAGES[dialect], *odd)

    @pytest.mark.parametrize("dialect", OF_GEMINI)
    async def test_odd_answers_of_gemini(self, dialect: str) -> None:
        async with both("gemini") as proxies:
            for odd in ODD_GEMINI.values():
                await compare(proxies, OF_GEMINI[dialect], *odd)


def same_both_ways(kind: str, asked: dict[str, Asked], streams: st.SearchStrategy[list[bytes]]) -> None:
    """Compare streams of one kind of upstream at random cuts."""
    with asyncio.Runner() as runner:
        servers = AsyncExitStack()
        proxies = runner.run(servers.enter_async_context(both(kind)))

        @settings(max_examples=150)
        @given(dialect=st.sampled_from(sorted(asked)), stream=streams, cuts=st.lists(st.integers(1, 4000), max_size=6))
        def same(dialect: str, stream: list[bytes], cuts: list[int]) -> None:
            if cuts:
                text = b"".join(stream)
                at = sorted({0, len(text), *(place for place in cuts if place < len(text))})
                stream = [text[start:end] for start, end in pairwise(at)]
            runner.run(compare(proxies, asked[dialect], *stream))

        try:
            same()
        finally:
            runner.run(servers.aclose())


TEXTS = st.lists(
    st.one_of(st.text(max_size=4), st.sampled_from(["", '"', "\\", "\n", "\u2028", "/", "é", " }"])), max_size=9
)
BEGUN = [ROLE, says("a "), says("b "), says("c ")]


def test_any_chat_says_the_same() -> None:
    same_both_ways("openai_compatible", OF_CHATS, EVENTS.map(lambda some: [*BEGUN, *filter(None, some), STOP, DONE]))


def test_any_message_says_the_same() -> None:
    blocks = st.lists(st.tuples(st.sampled_from(["text", "thinking"]), TEXTS), max_size=4)
    made = blocks.map(lambda some: message(*(block(at, kind, *"abc", *texts) for at, (kind, texts) in enumerate(some))))
    same_both_ways("anthropic", OF_MESSAGES, made)


@pytest.mark.parametrize("more", [FAST, SLOW], ids=["short cut", "long way"])
async def test_a_slow_client_gets_each_text_once(more: str) -> None:
    texts = [f"{number:06d}".ljust(60_000, "x") for number in range(160)]
    path, body = OF_CHATS["responses"]
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
        upstream.script(read_by_read(ROLE, *map(says, texts), STOP, DONE))
        client = await RawClient.to(proxy)
        await client.send(body, path=path, headers={"Connection": "close"})
        got = await client.until(b"000000")
        await asyncio.sleep(0.2)
        got += await client.reader.read()
        client.close()
    assert re.findall(rb'"delta":"(\d{6})x', got) == [text[:6].encode() for text in texts]
    numbers = [int(number) for number in re.findall(rb'"sequence_number":(\d+)', got)]
    assert numbers == list(range(len(numbers)))


async def test_a_client_that_leaves_stops_the_upstream() -> None:
    path, body = OF_CHATS["messages"]
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(read_by_read(ROLE, *[says(f"w{n} ") for n in range(20)], stall()))
        client = await RawClient.to(proxy)
        await client.send(body, path=path)
        await client.until(b"w19 ")
        client.reset()
        await (await upstream.arrived()).gone()
        [ended] = await proxy.all_ended(1)
        assert (ended.outcome, ended.window, ended.chunks) == ("cancelled", "streaming", 21)
