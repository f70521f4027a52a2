"""Limits, connections, and HTTP that is just so."""

import asyncio
import contextlib
import gzip
import socket
import time

import pytest

from llms.protocol.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout
from llms.testing.answers import chunk
from llms.testing.contract.setup import objects_of
from llms.testing.fake_upstream import (
    answer,
    body,
    close,
    comment,
    event,
    flood,
    head,
    pause,
    raw,
    stall,
    text_stream,
    wire,
)
from llms.testing.plain_client import text_of
from llms.testing.transcripts import TRANSCRIPTS
from tests.providers.relayed import made, said


class TestLimits:
    async def test_an_event_over_the_limit_fails_the_stream(self):
        setup = made(settings={"max_event": 1000})
        async with setup.ready() as (provider, upstream):
            upstream.script(
                answer(event(chunk({"content": "ok"})), raw(b"data: "), pause(0.02), raw(b"x" * 2000), stall())
            )
            failure, before = await setup.fail(provider)

            assert isinstance(failure, UpstreamProtocolError)
            assert text_of(objects_of(before)) == "ok"

    async def test_a_long_event_within_the_limit_is_exact(self):
        setup = made()
        text = "long äöü " * 250_000
        async with setup.ready() as (provider, upstream):
            upstream.script(text_stream(text, chunks=1))

            assert said(setup, await setup.ask(provider)) == text

    async def test_ten_thousand_events_in_one_write_stay_in_order(self):
        setup = made()
        words = [f"{number} " for number in range(10_000)]
        async with setup.ready() as (provider, upstream):
            upstream.script(text_stream("".join(words)).joined())
            chunks = await setup.ask(provider)

            assert said(setup, chunks) == "".join(words)
            assert len(chunks) < 1000, "one read should be one chunk"

    @pytest.mark.parametrize("status", [200, 500])
    async def test_a_whole_answer_over_the_limit_fails(self, status):
        setup = made(settings={"max_answer": 100_000})
        async with setup.ready() as (provider, upstream):
            upstream.script(body({"choices": [], "padding": "x" * 200_000}, status=status))
            failure, _ = await setup.fail(provider, stream=False)

            assert isinstance(failure, UpstreamError)

    async def test_a_stream_instead_of_a_whole_answer_has_the_same_limit(self):
        setup = made(settings={"max_answer": 100_000})
        async with setup.ready() as (provider, upstream):
            upstream.script(flood(2**20))
            failure, before = await setup.fail(provider, stream=False)

            assert "larger than 100000 bytes" in failure.message
            assert len(text_of(objects_of(before))) < 100_000

    async def test_a_stream_that_was_asked_for_may_be_longer_than_a_whole_answer(self):
        setup = made(settings={"max_answer": 100_000})
        async with setup.ready() as (provider, upstream):
            upstream.script(flood(2**20))

            assert len(said(setup, await setup.ask(provider))) > 500_000

    async def test_a_slow_reader_holds_back_a_fast_upstream(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(flood(64 * 2**20))
            async with contextlib.aclosing(provider.chat(setup.request())) as chunks:
                await anext(chunks)
                await asyncio.sleep(0.1)

                assert not upstream.chats[0].finished

    async def test_a_connection_that_nobody_takes_is_waited_for_as_long_as_the_row_says(self):
        with contextlib.ExitStack() as held:
            listening = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            for _ in range(4):
                waiting = held.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listening.getsockname())
            address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
            setup = made(settings={"connect_timeout": 0.1}, base_url=address)
            async with setup.ready() as (provider, _):
                failure, _ = await setup.fail(provider)

        assert isinstance(failure, UpstreamTimeout)


class TestConnections:
    async def test_a_finished_stream_leaves_its_connection_for_the_next(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            for _ in range(3):
                await setup.ask(provider)
            await setup.ask(provider, stream=False)

            assert {seen.connection for seen in upstream.chats} == {1}

    async def test_an_upstream_that_never_ends_its_body_is_not_waited_for(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(text_stream("done", usage=False).then(stall()))
            started = time.monotonic()
            assert said(setup, await setup.ask(provider)) == "done"

            assert await upstream.chats[0].gone() - started < 2

    async def test_the_upstreams_request_id_is_told(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            headers = {"Content-Type": "text/event-stream", "x-request-id": "req-77"}
            upstream.script(answer(head(200, headers), *text_stream().steps))
            chunks = await setup.ask(provider)

            assert chunks[0].upstream_request_id == "req-77"

    @pytest.mark.parametrize("steps", [(comment(), pause(0.02), comment()), (raw(b"\n\n\r\n"),)])
    async def test_signs_of_life_are_no_chunks(self, steps):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(answer(*steps, *text_stream("hi", usage=False).steps))
            chunks = await setup.ask(provider)

            assert all(part.objects for part in chunks)
            assert said(setup, chunks) == "hi"


HELLO = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}'
PLAIN = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(HELLO)


def sent(first_line=b"HTTP/1.1 200 OK", headers=PLAIN, content=HELLO, extra=b""):
    """Return an answer of these very bytes, in one write, on a connection that stays open."""
    return answer(wire(first_line + b"\r\n" + headers + b"\r\n" + content + extra), framing="length")


class TestOddHttp:
    async def content(self, setup, provider):
        (choice,) = setup.fold(await setup.ask(provider, stream=False))["choices"]
        return choice["message"]["content"]

    @pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue", b"HTTP/1.1 103 Early Hints\r\nLink: </x>"])
    async def test_interim_answers_are_passed_over(self, interim):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(sent(interim + b"\r\n\r\nHTTP/1.1 200 OK"))

            assert await self.content(setup, provider) == "hello"

    @pytest.mark.parametrize(
        ("first_line", "headers", "connections"),
        [
            (b"HTTP/1.1 200 OK", PLAIN, 1),
            (b"HTTP/1.1 200 OK", PLAIN + b"Connection: close\r\n", 2),
            (b"HTTP/1.0 200 OK", PLAIN, 2),
            (b"HTTP/1.0 200 OK", PLAIN + b"Connection: keep-alive\r\n", 1),
        ],
    )
    async def test_a_connection_is_used_again_only_when_it_may_be(self, first_line, headers, connections):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(sent(first_line, headers))
            said = [await self.content(setup, provider) for _ in range(2)]

            assert said == ["hello", "hello"]
            assert len({seen.connection for seen in upstream.chats}) == connections

    async def test_what_follows_an_answer_is_not_part_of_it_nor_of_the_next(self):
        setup = made()
        stray = b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\nx-request-id: evil\r\n\r\n{"choices": "no"}'
        async with setup.ready() as (provider, upstream):
            upstream.script(sent(extra=stray), sent())
            chunks = await setup.ask(provider, stream=False)
            again = await self.content(setup, provider)

            assert (chunks[0].payloads(), chunks[0].upstream_request_id) == ([HELLO], "")
            assert again == "hello"

    async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(sent(), answer(close()), sent())
            said = [await self.content(setup, provider) for _ in range(2)]

            assert said == ["hello", "hello"]
            assert [seen.connection for seen in upstream.chats] == [1, 1, 2]

    async def test_a_new_connection_that_breaks_is_not_tried_again(self):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(answer(close()), sent())
            await setup.fail(provider)

            assert len(upstream.chats) == 1

    @pytest.mark.parametrize("status", [201, 202, 204, 206])
    @pytest.mark.parametrize("stream", [True, False])
    async def test_another_good_status_without_an_answer_is_a_bad_gateway(self, status, stream):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(sent(b"HTTP/1.1 %d Fine" % status, b"Content-Length: 0\r\n", b""))
            failure, _ = await setup.fail(provider, stream=stream)

            assert failure.http_status == 502

    @pytest.mark.parametrize("status", [304, 399, 600, 999])
    async def test_a_status_that_clients_cannot_get_is_a_bad_gateway(self, status):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(sent(b"HTTP/1.1 %d Odd" % status, b"Content-Length: 2\r\n", b"{}"))
            failure, _ = await setup.fail(provider)

            assert failure.http_status == 502

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 200_000,
            b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Endless: " + b"x" * 200_000,
            b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000,
            b"HTTP/2 200\r\n\r\n",
            b"220 smtp.example ESMTP\r\n",
        ],
    )
    async def test_what_is_not_proper_http_is_an_upstream_error(self, data):
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(answer(wire(data), stall()))
            failure, before = await setup.fail(provider)
            await setup.answers_again(provider, upstream)

            assert isinstance(failure, UpstreamError)
            assert before == []

    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_compressed_answer_that_nobody_asked_for_is_read(self, stream):
        setup = made()
        stream_body = TRANSCRIPTS["openai"].raw
        content = gzip.compress(stream_body if stream else HELLO)
        kind = "text/event-stream" if stream else "application/json"
        async with setup.ready() as (provider, upstream):
            steps = [raw(content[i : i + 7]) for i in range(0, len(content), 7)]
            upstream.script(answer(head(200, {"Content-Type": kind, "Content-Encoding": "gzip"}), *steps))
            (choice,) = setup.fold(await setup.ask(provider, stream=stream))["choices"]

            assert choice["message"]["content"] == (TRANSCRIPTS["openai"].text if stream else "hello")

    async def test_a_compressed_bomb_is_not_unpacked(self):
        setup = made(settings={"max_answer": 2**20})
        bomb = gzip.compress(b" " * (256 * 2**20))
        async with setup.ready() as (provider, upstream):
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            upstream.script(answer(head(200, headers), raw(bomb)))
            failure, _ = await setup.fail(provider, stream=False)

            assert isinstance(failure, UpstreamError)

    async def test_trailers_and_chunk_extensions_are_read_over(self):
        setup = made()
        data = b"%x;ext=1\r\n%b\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(HELLO), HELLO)
        headers = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        async with setup.ready() as (provider, upstream):
            upstream.script(sent(headers=headers, content=data))

            assert [await self.content(setup, provider) for _ in range(2)] == ["hello", "hello"]
