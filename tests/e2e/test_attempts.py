"""Which failures are tried again, where and how often; and which never are."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections import Counter
from collections.abc import Mapping

import pytest

from llms.protocol.events import AttemptFailed
from llms.testing.answers import Script, chunk
from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    body,
    close,
    cut,
    either,
    error,
    event,
    half_chunk,
    head,
    pause,
    redirect,
    reply,
    stall,
    text_stream,
    wait,
)
from tests.e2e.said import said
from tests.e2e.several import several_upstreams
from tests.proxy import Proxy, RawClient, Reply, ask, chat, one_upstream, serving

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
TOLD = {"error": {"message": "no luck today", "type": "x", "param": None, "code": "bad_day"}}


class TestRetries:
    """The same target again."""

    @BOTH
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
    async def test_what_may_pass_is_tried_again(self, status: int, stream: bool) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(error(status), reply("fine"))
            async with serving(one_upstream(upstream)) as proxy:
                got = await ask(proxy, chat(stream=stream))
                [ended] = await proxy.all_ended(1)

        assert (got.status, said(got), got.headers["x-llms-attempts"]) == (200, "fine", "2")
        assert (ended.attempts, ended.retries, ended.fallbacks) == (2, 1, 0)
        [failed] = [e for e in proxy.events if isinstance(e, AttemptFailed)]
        assert (failed.provider, failed.attempt, failed.kind) == ("up", 1, "first")

    @BOTH
    @pytest.mark.parametrize(("row", "most"), [("retries: 0", 1), ("retries: 2", 3)])
    async def test_what_does_not_pass_is_given_up(self, row: str, most: int, stream: bool) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(error(503, TOLD))
            async with serving(one_upstream(upstream, row=row)) as proxy:
                got = await ask(proxy, chat(stream=stream))
                attempts = len(upstream.chats)

        assert attempts == most
        assert (got.status, got.error["code"], got.error["message"]) == (503, "bad_day", "up: no luck today")
        assert got.headers.get("x-should-retry") == (None if attempts == 1 else "false")
        assert got.headers["x-llms-attempts"] == str(attempts)

    @BOTH
    @pytest.mark.parametrize("status", [400, 402, 405, 409, 413, 422])
    async def test_what_the_client_must_mend_is_not_tried_again(self, status: int, stream: bool) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            first.script(error(status, TOLD))
            async with serving(several_upstreams(first, second)) as proxy:
                got = await ask(proxy, chat(stream=stream))

        assert (got.status, got.error["code"], got.error["message"]) == (status, "bad_day", "a: no luck today")
        assert "x-should-retry" not in got.headers
        assert (len(first.chats), len(second.chats)) == (1, 0)

    @pytest.mark.parametrize(("headers", "least"), [({"Retry-After": "1"}, 1.0), ({"retry-after-ms": "400"}, 0.4)])
    async def test_the_patience_asked_for_is_had(self, headers: Mapping[str, str], least: float) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(error(429, headers=headers), reply("fine"))
            async with serving(one_upstream(upstream)) as proxy:
                assert said(await ask(proxy, chat())) == "fine"

        first, second = upstream.chats
        assert least <= second.arrived - first.arrived < least + 1.5

    @BOTH
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
    async def test_more_patience_than_we_have_is_handed_on(self, form: str, status: int, stream: bool) -> None:
        headers = {
            "seconds": {"Retry-After": "60"},
            "date": {"Retry-After": email.utils.formatdate(time.time() + 60, usegmt=True)},
            "milliseconds": {"retry-after-ms": "59500"},
        }[form]
        async with FakeUpstream() as upstream:
            upstream.script(error(status, headers=headers))
            async with serving(one_upstream(upstream)) as proxy:
                got = await asyncio.wait_for(ask(proxy, chat(stream=stream)), 2)

        assert (got.status, len(upstream.chats)) == (status, 1)
        assert 50 < int(got.headers["retry-after"]) <= 60
        assert form != "milliseconds" or got.headers["retry-after-ms"] == "59500"
        assert "x-should-retry" not in got.headers

    @pytest.mark.parametrize("value", ["inf", "1e400", "1e300", "nan", "-5", "9" * 400, "soon", "", "0x10", "\xb2"])
    async def test_nonsense_about_patience_harms_nobody(self, value: str) -> None:
        for name in ("Retry-After", "retry-after-ms"):
            async with FakeUpstream() as upstream:
                upstream.script(error(429, TOLD, headers={name: value}), reply("fine"))
                async with serving(one_upstream(upstream)) as proxy:
                    got = await ask(proxy, chat())

            assert (got.status, said(got)) == (200, "fine") or (got.status, got.error["code"]) == (429, "bad_day")
            assert len(got.headers.get("retry-after", "")) < 10

    async def test_how_much_patience_we_have_is_configured(self) -> None:
        async with FakeUpstream() as upstream:
            upstream.script(error(429, headers={"Retry-After": "1"}))
            async with serving(one_upstream(upstream, row="max_retry_after: 0.5s")) as proxy:
                got = await ask(proxy, chat())

        assert (got.status, got.headers["retry-after"], len(upstream.chats)) == (429, "1", 1)

    async def test_an_exhausted_account_is_not_tried_again(self) -> None:
        told = {"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}
        async with FakeUpstream() as upstream:
            upstream.script(error(429, told))
            async with serving(one_upstream(upstream)) as proxy:
                got = await ask(proxy, chat())

        assert (got.status, got.error["code"], len(upstream.chats)) == (429, "insufficient_quota", 1)


BAD: dict[str, Script] = {
    "500": error(500),
    "503": error(503),
    "429": error(429),
    "429, come back in a minute": error(429, headers={"Retry-After": "60"}),
    "401": error(401),
    "403": error(403),
    "404": error(404),
    "408": error(408),
    "a redirect": redirect("http://127.0.0.1:9/"),
    "HTML": body("<html>Sign in</html>"),
    "a reset": answer(cut()),
    "EOF": answer(close()),
    "EOF after the head": answer(head(), pause(0.01), close()),
    "half a chunk": answer(half_chunk()),
    "an error event": either(answer(event(TOLD), event("[DONE]")), body(TOLD)),
    "nonsense": either(answer(event("{"), event("[DONE]")), body("nonsense")),
    "choices that are none": either(answer(event({"choices": None}), event("[DONE]")), body({"choices": [None]})),
}


class TestFallbacks:
    """The next target."""

    @BOTH
    @pytest.mark.parametrize("fault", BAD)
    async def test_a_bad_target_costs_no_request(self, fault: str, stream: bool) -> None:
        async with FakeUpstream() as bad, FakeUpstream() as good:
            bad.script(BAD[fault])
            good.script(reply("fine"))
            async with serving(several_upstreams(bad, good)) as proxy:
                got = [await ask(proxy, chat(stream=stream)) for _ in range(12)]
                ended = await proxy.all_ended(12)

        assert [said(one) for one in got] == ["fine"] * 12
        assert {one.headers["x-llms-provider"] for one in got} == {"b"}
        assert (ended[0].attempts, ended[0].retries, ended[0].fallbacks) == (2, 0, 1)
        assert len(good.chats) == 12

    @BOTH
    async def test_a_stalled_target_costs_no_request(self, stream: bool) -> None:
        async with FakeUpstream() as bad, FakeUpstream() as good:
            bad.script(answer(stall()))
            good.script(reply("fine"))
            row = "timeouts: {first_chunk: 0.3s, answer: 0.3s}"
            async with serving(several_upstreams(bad, good, row=row)) as proxy:
                assert [said(await ask(proxy, chat(stream=stream))) for _ in range(4)] == ["fine"] * 4

    @BOTH
    async def test_a_closed_port_costs_no_request(self, stream: bool) -> None:
        async with FakeUpstream(refuses=True) as bad, FakeUpstream() as good:
            good.script(reply("fine"))
            async with serving(several_upstreams(bad, good)) as proxy:
                assert [said(await ask(proxy, chat(stream=stream))) for _ in range(10)] == ["fine"] * 10

    async def test_all_are_tried_before_one_is_tried_again(self) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            first.script(error(500), reply("late"))
            second.script(error(500))
            async with serving(several_upstreams(first, second)) as proxy:
                got = await ask(proxy, chat())
                [ended] = await proxy.all_ended(1)

        assert (said(got), got.headers["x-llms-attempts"]) == ("late", "3")
        assert (ended.retries, ended.fallbacks) == (1, 1)
        assert first.chats[0].arrived < second.chats[0].arrived < first.chats[1].arrived

    async def test_six_attempts_are_the_most(self) -> None:
        async with FakeUpstream() as one, FakeUpstream() as two, FakeUpstream() as three, FakeUpstream() as four:
            upstreams = (one, two, three, four)
            for upstream in upstreams:
                upstream.script(error(503))
            async with serving(several_upstreams(*upstreams, row="retries: 100")) as proxy:
                got = await ask(proxy, chat())

        assert (got.status, got.headers["x-llms-attempts"]) == (503, "6")
        assert [len(upstream.chats) for upstream in upstreams] == [2, 2, 1, 1]

    async def test_each_target_gets_its_own_model_and_key(self) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            first.script(error(500))
            async with serving(several_upstreams(first, second)) as proxy:
                await ask(proxy, chat())

        assert [seen.json["model"] for seen in (*first.chats, *second.chats)] == ["real-a", "real-b"]
        assert second.chats[0].headers["authorization"] == "Bearer sk-planted-b"

    @pytest.mark.parametrize("how", ["a reset", "EOF", "an error event", "silence"])
    async def test_there_is_no_second_attempt_after_the_first_byte(self, how: str) -> None:
        last = {"a reset": cut(), "EOF": close(), "an error event": event(TOLD), "silence": stall()}[how]
        begun = answer(event(chunk({"role": "assistant", "content": "from a"})), pause(0.1), last)
        async with FakeUpstream() as first, FakeUpstream() as second:
            first.script(begun)
            async with serving(several_upstreams(first, second, row="timeouts: {idle: 0.3s}")) as proxy:
                got = await ask(proxy, chat())

        assert (got.text, got.whole) == ("from a", True)
        assert "[DONE]" not in got.events
        assert got.error["code"] in ("upstream_truncated", "bad_day", "upstream_timeout")
        assert (len(first.chats), len(second.chats)) == (1, 0)


class TestOverflow:
    """Requests that are too long for a target."""

    LONG = error(400, {"error": {"message": "maximum context length is 9 tokens", "code": "context_length_exceeded"}})

    @BOTH
    async def test_they_go_where_there_is_room(self, stream: bool) -> None:
        async with FakeUpstream() as small, FakeUpstream() as same, FakeUpstream() as big:
            small.script(self.LONG)
            big.script(reply("fits"))
            text = several_upstreams(small, same, big).replace(", c/real-c]", "], on_context_overflow: c/wide")
            async with serving(text) as proxy:
                assert said(await ask(proxy, chat(stream=stream))) == "fits"

        assert big.chats[0].json["model"] == "wide"
        assert same.chats == []

    @BOTH
    async def test_the_error_is_kept_where_there_is_none(self, stream: bool) -> None:
        async with FakeUpstream() as small, FakeUpstream() as same:
            small.script(self.LONG)
            async with serving(several_upstreams(small, same)) as proxy:
                got = await ask(proxy, chat(stream=stream))

        assert (got.status, got.error["code"]) == (400, "context_length_exceeded")
        assert same.chats == []


class TestBreaker:
    """A target that fails is left alone."""

    @pytest.mark.parametrize("fault", ["500", "EOF", "401", "an error event"])
    async def test_a_dead_target_is_touched_by_few(self, fault: str) -> None:
        async with FakeUpstream() as dead, FakeUpstream() as good:
            dead.script(BAD[fault])
            async with serving(several_upstreams(dead, good)) as proxy:
                got = [await ask(proxy, chat(stream=bool(n % 2))) for n in range(40)]

        assert all(said(one) == "Hello world" for one in got)
        assert len(dead.chats) <= 10

    async def test_it_is_used_again_when_it_is_well_again(self) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            first.script(*[error(500)] * 5, reply("well again"))
            second.script(reply("instead"))
            async with serving(several_upstreams(first, second, row="cooldown: 0.5s")) as proxy:
                texts = [said(await ask(proxy, chat())) for _ in range(8)]
                assert texts == ["instead"] * 8
                assert len(first.chats) == 5
                async with asyncio.timeout(5):
                    while said(await ask(proxy, chat())) != "well again":
                        await asyncio.sleep(0.05)
                assert len(first.chats) == 6, "there was more than the probe"

    async def test_with_all_dead_each_request_makes_one_attempt(self) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            for upstream in (first, second):
                upstream.script(error(500, TOLD))
            async with serving(several_upstreams(first, second, row="cooldown: 60s")) as proxy:
                for _ in range(10):
                    await ask(proxy, chat())
                before = len(first.chats) + len(second.chats)
                got = [await ask(proxy, chat()) for _ in range(20)]
                attempts = len(first.chats) + len(second.chats) - before

        assert attempts == 20
        assert {(one.status, one.headers["x-llms-attempts"]) for one in got} == {(500, "1")}


class TestQueue:
    """More requests than slots."""

    async def test_the_line_is_bounded(self) -> None:
        gate = asyncio.Event()
        async with FakeUpstream() as upstream:
            upstream.script(answer(wait(gate), *text_stream("first").steps), reply("second"))
            async with serving(one_upstream(upstream, row="limits: {concurrency: 1, queue: 1}")) as proxy:
                first = asyncio.create_task(ask(proxy, chat()))
                await upstream.arrived()
                second = asyncio.create_task(ask(proxy, chat()))
                await self.waiting(proxy, 1)
                refused = await ask(proxy, chat())
                gate.set()
                assert [said(await first), said(await second)] == ["first", "second"]

        assert (refused.status, refused.error["code"]) == (429, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert len(upstream.chats) == 2

    async def test_a_full_line_is_passed_by(self) -> None:
        gate = asyncio.Event()
        async with FakeUpstream() as busy, FakeUpstream() as free:
            busy.script(answer(wait(gate), *text_stream("busy").steps))
            free.script(reply("free"))
            row = "limits: {concurrency: 1, queue: 0}"
            async with serving(several_upstreams(busy, free, row=row)) as proxy:
                first = asyncio.create_task(ask(proxy, chat()))
                await busy.arrived()
                got = [await ask(proxy, chat()) for _ in range(8)]
                gate.set()
                assert said(await first) == "busy"
                assert [said(one) for one in got] == ["free"] * 8
                assert said(await ask(proxy, chat())) == "busy", "a full line is no failure of its target"

    @staticmethod
    async def waiting(proxy: Proxy, count: int) -> None:
        slots = proxy.engine.gateway.fleet.members["up"].slots
        async with asyncio.timeout(5):
            while slots.waiting < count:
                await asyncio.sleep(0.005)


class TestStrategies:
    """Who is asked first."""

    async def spread(self, model: str, requests: int) -> Counter[str]:
        """Return how many requests each of two healthy providers answered."""
        async with (
            FakeUpstream() as first,
            FakeUpstream() as second,
            serving(several_upstreams(first, second, model=model)) as proxy,
        ):
            client = await RawClient.to(proxy)
            got = [await self.again(client) for _ in range(requests)]
            client.close()
        return Counter(one.headers["x-llms-provider"] for one in got)

    @staticmethod
    async def again(client: RawClient) -> Reply:
        await client.send(chat(stream=False))
        return await client.reply()

    async def test_ordered_asks_the_first(self) -> None:
        assert await self.spread("strategy: ordered", 10) == {"a": 10}

    async def test_round_robin_takes_turns(self) -> None:
        assert await self.spread("strategy: round_robin", 40) == {"a": 20, "b": 20}

    async def test_weighted_shares_by_weight(self) -> None:
        async with FakeUpstream() as first, FakeUpstream() as second:
            text = several_upstreams(first, second, model="strategy: weighted")
            text = text.replace("a/real-a", "{target: a/real-a, weight: 3}")
            async with serving(text) as proxy:
                client = await RawClient.to(proxy)
                for _ in range(300):
                    await self.again(client)
                client.close()

        # 225 expected; over five standard deviations (7.5) on either side.
        assert 185 <= len(first.chats) <= 265
        assert len(first.chats) + len(second.chats) == 300

    async def test_least_busy_asks_who_has_least_to_do(self) -> None:
        gate = asyncio.Event()
        held = answer(wait(gate), *text_stream("held").steps)
        async with FakeUpstream() as first, FakeUpstream() as second:
            for upstream in (first, second):
                upstream.script(held)
            async with serving(several_upstreams(first, second, model="strategy: least_busy")) as proxy:
                asking = [asyncio.create_task(ask(proxy, chat())) for _ in range(20)]
                await first.arrived(10)
                await second.arrived(10)
                gate.set()
                assert [said(await one) for one in asking] == ["held"] * 20
