"""The hot route: what is plain is answered inline, everything else is handed over, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from llms.gateway.inline import Inline
from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.messages.dialect import PING as MESSAGES_PING
from llms.protocol.dialects.messages.dialect import MessagesDialect
from llms.protocol.errors import Cancelled
from llms.protocol.sse import PING
from llms.providers._begun import BegunChat
from llms.server.access import Access
from llms.server.chat import Chat
from llms.server.errors import stopping
from llms.server.inline_chat import InlineChat
from llms.server.plain_exchange import Asked
from llms.streaming.lane import Unframed
from llms.testing import messages
from llms.testing.answers import Answer, chunk
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    close,
    cut,
    error,
    event,
    head,
    raw,
    stall,
    text_stream,
    wait,
    whole,
)
from llms.testing.steps import Step, pause
from tests.gateway.test_short_cut import read_by_read, says
from tests.protocol.dialects.messages.legal import events_of, message_of
from tests.proxy import Proxy, RawClient, ask, chat, one_upstream, serving

FAST = "server: {fast_path: true}\n"
ID = {"x-request-id": "the-one"}


@dataclass
class Hot:
    """A server with a connection to its upstream, and the requests that a task answered."""

    upstream: FakeUpstream
    proxy: Proxy
    waited: list[str]

    @property
    def inline(self) -> Inline:
        """Return the request that is answered without a task."""
        [found] = self.proxy.engine.services.running._inline
        return found

    async def begun(self, scripted: Answer, *, stream: bool = True) -> RawClient:
        """Send a request whose answer stalls; return when it does."""
        self.upstream.script(scripted)
        client = await RawClient.to(self.proxy)
        await client.send(chat(stream=stream), headers=ID)
        seen = await self.upstream.arrived(len(self.upstream.chats) + 1)
        await seen.silent()
        return client

    async def let_go(self) -> None:
        """Wait until nothing of any request is left."""
        gateway, running = self.proxy.engine.gateway, self.proxy.engine.services.running
        [*members] = gateway.fleet.members.values()
        async with asyncio.timeout(5):
            while gateway.live or len(running) or gateway.ticker.members:
                await asyncio.sleep(0.005)
        for member in members:
            assert member.running == 0
            assert member.slots.take()
            member.slots.release(None)
        assert all(not record.inflight for record in gateway.health._records.values())


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    post = Chat.post

    async def noting(self: Chat, request: Asked, access: Access) -> object:
        found.append(access.request_id)
        return await post(self, request, access)

    monkeypatch.setattr(Chat, "post", noting)
    return found


Serve = Callable[..., AbstractAsyncContextManager[Hot]]


@pytest.fixture
def hot(waited: list[str]) -> Serve:
    """Return what serves with a connection to the upstream that is kept."""

    @asynccontextmanager
    async def serve(row: str = "limits: {concurrency: 1}, retries: 0", more: str = "") -> AsyncGenerator[Hot, None]:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=row, more=FAST + more)) as proxy:
            upstream.script(whole())
            assert (await ask(proxy, chat(stream=False))).status == 200
            assert waited == []
            yield Hot(upstream, proxy, waited)

    return serve


ROLE, STOP, DONE = event(chunk({"role": "assistant", "content": ""})), event(chunk({}, "stop")), event("[DONE]")
SAYS = [event(chunk({"content": f"w{number} "})) for number in range(4)]


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_plain_needs_no_task(hot: Serve, stream: bool) -> None:
    async with hot() as served:
        served.upstream.script(text_stream("one two three") if stream else whole("one two three"))
        for _ in range(3):
            reply = await ask(served.proxy, chat(stream=stream))
            assert reply.status == 200
            assert "three" in (reply.text if stream else reply.body.decode())
        assert served.waited == []
        assert len({seen.connection for seen in served.upstream.chats}) == 1
        await served.let_go()


HANDED_OVER = {
    "a refusal": (error(401), 502),
    "nothing": (answer(close()), 200),
    "another type": (answer(head(200, {"Content-Type": "text/plain"}), ROLE, *SAYS, STOP, DONE), 200),
    "a whole answer": (whole("w0 w1"), 200),
    "compressed by a name that nobody knows": (answer(head(200, {"Content-Encoding": "br"}), ROLE, DONE), 502),
    "cut before the first chunk": (answer(head(200), cut()), 502),
    "cut in the middle": (answer(ROLE, *SAYS, cut()), 200),
    "garbage": (answer(ROLE, *SAYS, raw(b"data: {]\n\n"), DONE), 200),
    "an error as an event": (answer(ROLE, *SAYS, event({"error": {"message": "no"}})), 200),
    "no end": (answer(ROLE, *SAYS, DONE), 200),
    "an end without DONE": (answer(ROLE, *SAYS, STOP), 200),
    "an event that is too long": (answer(ROLE, *SAYS, raw(b"data: " + b"x" * 300_000)), 200),
}


@pytest.mark.parametrize("name", HANDED_OVER)
async def test_what_is_not_plain_is_handed_over_once(hot: Serve, name: str) -> None:
    scripted, status = HANDED_OVER[name]
    async with hot("limits: {concurrency: 1, max_event: 64KiB}, retries: 0") as served:
        served.upstream.script(scripted, text_stream())
        reply = await ask(served.proxy, chat())
        assert (reply.status, len(served.waited)) == (status, 1)
        if "w1 " in str(scripted) and status == 200:
            assert reply.text.startswith("w0 w1")
            assert reply.done or reply.error["message"]
        await served.let_go()


async def test_an_interim_answer_is_passed_over(hot: Serve) -> None:
    async with hot() as served:
        early = answer(head(103, {"Link": "x"}), head(200), ROLE, *SAYS, STOP, DONE)
        served.upstream.script(early)
        assert (await ask(served.proxy, chat())).text == "w0 w1 w2 w3 "
        await served.let_go()


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset, RawClient.half_close])
@pytest.mark.parametrize(
    "scripted",
    [
        answer(stall()),
        answer(head(200), stall()),
        answer(ROLE, stall()),
        answer(ROLE, *SAYS, stall()),
        answer(ROLE, *SAYS, raw(b"data: {"), stall()),
        answer(ROLE, *SAYS, raw(b"data: {]\n\n"), stall()),
    ],
    ids=["before the head", "before a chunk", "before text", "behind text", "inside an event", "behind garbage"],
)
async def test_a_client_that_leaves_stops_the_upstream(
    hot: Serve, scripted: Answer, leave: Callable[[RawClient], None]
) -> None:
    async with hot() as served:
        client = await served.begun(scripted)
        leave(client)
        await served.upstream.chats[-1].gone()
        await served.let_go()
        client.close()
        [_, ended] = await served.proxy.all_ended(2)
        assert ended.outcome in ("cancelled", "error")


async def test_a_client_that_leaves_behind_the_end_had_it_all(hot: Serve) -> None:
    async with hot() as served:
        client = await served.begun(answer(ROLE, *SAYS, STOP, DONE, stall()))
        await client.until(b"[DONE]")
        client.close()
        await served.let_go()
        [_, ended] = await served.proxy.all_ended(2)
        assert ended.outcome == "ok"
        assert served.waited == []


@pytest.mark.parametrize("scripted", [answer(head(200), stall()), answer(ROLE, *SAYS, stall())])
async def test_a_client_may_leave_in_the_turn_of_the_hand_over(hot: Serve, scripted: Answer) -> None:
    async with hot() as served:
        client = await served.begun(scripted)
        inline = served.inline
        inline.cancel()
        inline._client._exchange.left()  # type: ignore[attr-defined]
        await served.upstream.chats[-1].gone()
        await served.let_go()
        assert served.waited == []  # its task never began
        client.close()


@pytest.mark.parametrize("turns", [False, True], ids=["inline", "while it is handed over"])
@pytest.mark.parametrize("scripted", [answer(head(200), stall()), answer(ROLE, *SAYS, stall())])
async def test_the_owner_ends_what_is_inline(hot: Serve, scripted: Answer, turns: bool) -> None:
    async with hot() as served:
        client = await served.begun(scripted)
        if turns:
            served.inline.cancel()
        assert served.proxy.engine.services.running.cancel("the-one", Cancelled("by its owner"))
        reply = await client.reply()
        assert reply.error["message"] == "by its owner"
        await served.upstream.chats[-1].gone()
        await served.let_go()
        client.close()


@pytest.mark.parametrize("handing", [False, True], ids=["inline", "while it is handed over"])
async def test_a_server_that_stops_tells_inline_streams(hot: Serve, handing: bool) -> None:
    async with hot() as served:
        client = await served.begun(answer(ROLE, *SAYS, stall()))
        running = served.proxy.engine.services.running
        if handing:
            served.inline.cancel()
        assert len(running) == 1  # a drain waits for it
        running.end(stopping())
        assert (await client.reply()).error["code"] == stopping().code
        await served.let_go()
        client.close()


async def test_whoever_shuts_the_server_down_grants_time(waited: list[str]) -> None:
    go = asyncio.Event()
    async with FakeUpstream() as upstream:
        async with serving(one_upstream(upstream, more=FAST)) as proxy:
            await ask(proxy, chat(stream=False))
            upstream.script(answer(ROLE, *SAYS, wait(go), STOP, DONE))
            client = await RawClient.to(proxy)
            await client.send(chat())
            await client.until(b"w3 ")
            asyncio.get_running_loop().call_later(0.05, go.set)
        assert b"[DONE]" in await client.reader.read()
        client.close()


async def test_heartbeats_before_the_first_chunk_are_those_of_the_defaults(hot: Serve) -> None:
    async with hot("heartbeat: 0", more="defaults: {heartbeat: 100ms}\n") as served:
        client = await served.begun(answer(head(200), stall()))
        await client.until(PING)
        client.close()
        await served.let_go()


async def test_a_silent_stream_hears_heartbeats_until_its_time_is_over(hot: Serve) -> None:
    async with hot("heartbeat: 200ms, timeouts: {idle: 900ms}, retries: 0") as served:
        client = await served.begun(answer(ROLE, *SAYS, stall()))
        reply = await client.reply()
        assert reply.body.count(PING) >= 2
        assert "nothing for 0.9 s" in reply.error["message"]
        await served.let_go()
        client.close()


async def test_thoughts_that_are_not_told_are_silence_to_the_client(hot: Serve) -> None:
    thoughts = [
        step for number in range(18) for step in (event(chunk({"reasoning_content": f"t{number}"})), pause(0.1))
    ]
    async with hot("heartbeat: 300ms, retries: 0") as served:
        served.upstream.script(answer(ROLE, *thoughts, *SAYS, STOP, DONE))
        reply = await ask(served.proxy, asked(), path=MESSAGES, headers=SDK)
        assert MESSAGES_PING in reply.body
        assert message_of(reply.body)["content"][0]["text"] == "w0 w1 w2 w3 "
        await served.let_go()


async def test_providers_that_a_request_may_come_to_are_held(hot: Serve) -> None:
    async with FakeUpstream() as one, FakeUpstream() as other:
        text = (
            f"providers:\n  one: {{type: openai_compatible, base_url: '{one.url}', retries: 0}}\n"
            f"  other: {{type: openai_compatible, base_url: '{other.url}', retries: 0}}\n"
            "models:\n  m: {targets: [one/a, other/b]}\n"
        )
        async with serving(text + FAST) as proxy:
            served = Hot(one, proxy, [])
            await ask(proxy, chat())
            go = asyncio.Event()
            one.script(answer(wait(go), cut()))
            client = await RawClient.to(proxy)
            await client.send(chat())
            await one.arrived(2)
            members = proxy.engine.gateway.fleet.members
            assert served.inline
            assert [members[name].running > 0 for name in ("one", "other")] == [True, True]
            go.set()
            assert (await client.reply()).text == "Hello world"
            await served.let_go()
            client.close()


# -- in other words ----------------------------------------------------------------------------------------------

MESSAGES = "/v1/messages"
SDK = {"anthropic-version": "2023-06-01", "anthropic-beta": "a-1,b-2", "x-api-key": "none", "x-stainless-lang": "py"}


def asked(*, stream: bool = True) -> dict[str, object]:
    """Return a request for a message."""
    return chat(stream=stream, max_tokens=9)


async def test_messages_told_in_other_words_need_no_task(hot: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[bool] = []
    take = Unframed.take

    def noting(unframed: Unframed, data: bytes) -> bool:
        passed.append(take(unframed, data))
        return passed[-1]

    monkeypatch.setattr(Unframed, "take", noting)
    words = [f"w{number} " for number in range(30)]
    async with hot() as served:
        for path in (MESSAGES, "/messages"):
            served.upstream.script(read_by_read(ROLE, *map(says, words), STOP, DONE))
            reply = await ask(served.proxy, asked(), path=path, headers={**SDK, **ID})
            assert message_of(reply.body)["content"] == [{"type": "text", "text": "".join(words)}]
            assert reply.headers["request-id"] == "the-one"
        served.upstream.script(whole("one two"))
        reply = await ask(served.proxy, asked(stream=False), path=MESSAGES, headers=SDK)
        assert b'"text":"one two"' in reply.body
        ended = await served.proxy.all_ended(4)
        assert [each.chunks for each in ended[1:3]] == [32, 32]
        assert served.waited == []
        assert passed.count(True) > 30
        await served.let_go()


@pytest.mark.parametrize("scripted", [cut(), raw(b"data: {]\n\n"), stall()], ids=["cut", "garbage", "silence"])
async def test_a_message_goes_on_in_its_words_when_it_is_handed_over(hot: Serve, scripted: Step) -> None:
    async with hot("heartbeat: 100ms, timeouts: {idle: 400ms}, retries: 0") as served:
        served.upstream.script(answer(ROLE, *SAYS, scripted))
        reply = await ask(served.proxy, asked(), path=MESSAGES)
        told = events_of(reply.body.replace(MESSAGES_PING, b""))
        assert [each["type"] for each in told].count("message_start") == 1
        assert "".join(each["delta"]["text"] for each in told if "delta" in each) == "w0 w1 w2 w3 "
        assert told[-1]["type"] == "error"
        assert len(served.waited) == 1
        await served.let_go()


@pytest.mark.parametrize("stream", [True, False])
async def test_what_was_not_begun_for_a_message_is_asked_again(hot: Serve, stream: bool) -> None:
    async with hot("limits: {concurrency: 1}, retries: 1") as served:
        served.upstream.script(error(500), text_stream("one two") if stream else whole("one two"))
        reply = await ask(served.proxy, asked(stream=stream), path=MESSAGES)
        message = message_of(reply.body) if stream else json.loads(reply.body)
        assert message["content"] == [{"type": "text", "text": "one two"}]
        assert len(served.waited) == 1
        await served.let_go()


@pytest.mark.parametrize("leave", [RawClient.close, RawClient.reset, RawClient.half_close])
async def test_who_leaves_a_message_stops_the_upstream(hot: Serve, leave: Callable[[RawClient], None]) -> None:
    async with hot() as served:
        served.upstream.script(answer(ROLE, *SAYS, stall()))
        client = await RawClient.to(served.proxy)
        await client.send(asked(), path=MESSAGES)
        await client.until(b"w3 ")
        leave(client)
        await served.upstream.chats[-1].gone()
        await served.let_go()
        assert served.waited == []
        client.close()


async def test_a_target_that_speaks_messages_gets_them_as_they_are_and_they_are_read_once(
    hot: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    parse = MessagesDialect.parse

    def noting(dialect: MessagesDialect, raw: bytes, **more: Any) -> ChatRequest:
        read.append(raw)
        return parse(dialect, raw, **more)

    monkeypatch.setattr(MessagesDialect, "parse", noting)
    async with hot("dialects: [messages]") as served:
        told = (messages.start(), messages.block(0, {"type": "text", "text": ""}, messages.delta("text", "Hi")))
        told += (messages.message_event(), messages.STOP)
        served.upstream.script(messages.stream(*told))
        reply = await ask(served.proxy, asked(), path=MESSAGES, headers=SDK)
        assert reply.body == b"".join(told)
        seen = served.upstream.chats[-1]
        assert (seen.headers["anthropic-beta"], seen.json["max_tokens"]) == ("a-1,b-2", 9)
        assert (len(served.waited), len(read)) == (1, 1)
        await served.let_go()


# -- defects of ours -------------------------------------------------------------------------------------------


def broken(*_: object) -> bool:
    raise ZeroDivisionError("a defect")


async def test_a_defect_before_the_first_byte_is_told(hot: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hot() as served:
        monkeypatch.setattr("llms.server.inline_chat.routing_headers", lambda _: {"x": "a\r\nb"})
        with structlog.testing.capture_logs() as logs:
            for stream in (True, False):
                served.upstream.script(text_stream() if stream else whole())
                reply = await ask(served.proxy, chat(stream=stream))
                assert (reply.status, reply.error["code"]) == (500, "internal_error")
        assert len(logs) == 2
        await served.let_go()


@pytest.mark.parametrize(("owner", "name"), [(InlineChat, "tell"), (InlineChat, "end"), (BegunChat, "arrived")])
async def test_a_defect_behind_the_first_byte_cuts_the_client(
    hot: Serve, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    async with hot() as served:
        go = asyncio.Event()
        later = asyncio.Event()
        served.upstream.script(answer(ROLE, *SAYS[:2], wait(go), SAYS[2], wait(later), STOP, DONE))
        client = await RawClient.to(served.proxy)
        await client.send(chat())
        await client.until(b"w1 ")
        monkeypatch.setattr(owner, name, broken)
        with structlog.testing.capture_logs() as logs:
            go.set()
            asyncio.get_running_loop().call_later(0.05, later.set)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.reader.readuntil(b"0\r\n\r\n")
            await served.let_go()
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request failed"]
        client.close()


async def test_a_defect_while_it_is_sent_leaves_nothing(hot: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hot() as served:
        monkeypatch.setattr("llms.providers.openai_compatible.BegunChat", broken)
        with structlog.testing.capture_logs() as logs:
            reply = await ask(served.proxy, chat(stream=False))
        assert reply.status == 200
        assert len(served.waited) == 1
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request not begun inline"]
        await served.let_go()


async def test_nobody_begins_twice_where_all_slots_are_taken(hot: Serve) -> None:
    async with hot("limits: {concurrency: 1, queue: 0}, retries: 0") as served:
        client = await served.begun(answer(ROLE, *SAYS, stall()))
        assert (await ask(served.proxy, chat())).status == 429
        client.close()
        await served.let_go()


async def test_held_requests_follow_one_another(hot: Serve) -> None:
    async with hot() as served:
        go = asyncio.Event()
        served.upstream.script(answer(wait(go), ROLE, *SAYS, STOP, DONE))
        client = await RawClient.to(served.proxy)
        await client.send(chat())
        await served.upstream.arrived(2)
        await client.send(chat())
        go.set()
        assert [(await client.reply()).text for _ in range(2)] == ["w0 w1 w2 w3 "] * 2
        assert served.waited == []
        await served.let_go()
        client.close()
