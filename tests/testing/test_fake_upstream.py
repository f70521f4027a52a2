"""The fake upstream, told apart byte by byte from the client's side of raw sockets."""

import asyncio
import contextlib
import json
import socket
import time

import pytest

from llms.testing.fake_upstream import (
    FakeUpstream,
    answer,
    bytewise,
    close,
    comment,
    cut,
    echo,
    either,
    error,
    event,
    flood,
    garbage,
    half_chunk,
    head,
    joined,
    pause,
    raw,
    reasoning_stream,
    redirect,
    reply,
    stall,
    text_stream,
    tool_stream,
    wait,
    whole,
    whole_tools,
    wire,
)

CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


@contextlib.asynccontextmanager
async def connected(upstream):
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def post(writer, body=CHAT, path="/v1/chat/completions", headers=""):
    data = json.dumps(body).encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(data)}\r\n\r\n".encode("latin-1") + data
    )


async def read_head(reader):
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), headers


async def read_body(reader, headers):
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding") != "chunked":
        return await reader.read()
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


async def exchange(upstream, body=CHAT):
    async with connected(upstream) as (reader, writer):
        post(writer, body)
        status, headers = await read_head(reader)
        return status, headers, await read_body(reader, headers)


def said(body):
    blocks = [block.removeprefix(b"data: ") for block in body.split(b"\n\n") if block.startswith(b"data: ")]
    objects = [json.loads(block) for block in blocks if block != b"[DONE]"]
    return "".join(c["delta"].get("content") or "" for item in objects for c in item["choices"])


async def test_it_records_what_was_asked():
    async with FakeUpstream() as upstream:
        async with connected(upstream) as (reader, writer):
            before = time.monotonic()
            post(writer, headers="X-Two: a\r\nx-two: b\r\nAuthorization: Bearer k\r\n")
            seen = await upstream.arrived()
            await read_head(reader)
        after = time.monotonic()

        assert (seen.method, seen.path, seen.json, seen.connection) == ("POST", "/v1/chat/completions", CHAT, 1)
        assert (seen.headers["authorization"], seen.headers["x-two"]) == ("Bearer k", "a, b")
        assert before <= seen.arrived <= after
        assert seen.stream
        assert not seen.asked_usage
        assert upstream.requests == [seen]


async def test_without_a_script_it_answers_the_way_it_is_asked():
    async with FakeUpstream() as upstream:
        _, headers, streamed = await exchange(upstream)
        _, plain_headers, plain = await exchange(upstream, {**CHAT, "stream": False})

        assert headers["content-type"] == "text/event-stream"
        assert (said(streamed), b'"choices": []' in streamed) == ("Hello world", False)
        assert streamed.endswith(b"data: [DONE]\n\n")
        assert plain_headers["content-type"] == "application/json"
        assert json.loads(plain)["choices"][0]["message"]["content"] == "Hello world"


async def test_usage_comes_where_it_was_asked():
    async with FakeUpstream() as upstream:
        _, _, body = await exchange(upstream, {**CHAT, "stream_options": {"include_usage": True}})

        assert b'"choices": [], "usage": {"prompt_tokens": 7' in body


async def test_each_request_takes_the_next_answer_and_the_last_repeats():
    async with FakeUpstream() as upstream:
        upstream.script(reply("one"), error(503), echo)

        results = [await exchange(upstream) for _ in range(4)]

        assert [status for status, _, _ in results] == [200, 503, 200, 200]
        assert [said(results[i][2]) for i in (0, 2, 3)] == ["one", "hi", "hi"]
        assert len(upstream.chats) == 4


async def test_a_connection_is_kept_for_the_next_request():
    async with FakeUpstream() as upstream:
        async with connected(upstream) as (reader, writer):
            for _ in range(2):
                post(writer)
                _, headers = await read_head(reader)
                await read_body(reader, headers)
            assert upstream.open_connections == 1
        await upstream.closed()

        assert [seen.connection for seen in upstream.chats] == [1, 1]
        assert all(seen.finished and seen.closed_by_client is None for seen in upstream.chats)


async def test_pipelined_requests_are_answered_in_order():
    async with FakeUpstream() as upstream:
        upstream.on(echo)
        async with connected(upstream) as (reader, writer):
            for word in ("first", "second"):
                post(writer, {"messages": [{"role": "user", "content": word}]})
            for word in ("first", "second"):
                _, headers = await read_head(reader)
                body = json.loads(await read_body(reader, headers))
                assert body["choices"][0]["message"]["content"] == word


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
async def test_every_framing_carries_the_same_body(framing):
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("a b c").framed(framing))

        _, headers, body = await exchange(upstream)

        assert said(body) == "a b c"
        kinds = {
            "chunked": headers.get("transfer-encoding") == "chunked",
            "length": headers.get("content-length") == str(len(body)),
            "close": headers.get("connection") == "close",
        }
        assert [name for name, holds in kinds.items() if holds] == [framing]


async def test_steps_are_sent_in_their_order_and_time():
    go = asyncio.Event()
    async with FakeUpstream() as upstream:
        upstream.script(answer(comment(), event({"a": 1}, name="n", event_id="4"), wait(go), raw(b"data: x\r\r")))
        async with connected(upstream) as (reader, writer):
            post(writer)
            await read_head(reader)
            first = await reader.readuntil(b'"a": 1}\n\n\r\n')
            assert b": ping\n\n" in first
            assert b"event: n\nid: 4\ndata: " in first
            go.set()
            assert b"data: x\r\r" in await reader.readuntil(b"0\r\n\r\n")


async def test_joined_is_one_write_and_bytewise_is_many():
    async with FakeUpstream() as upstream:
        upstream.script(
            answer(joined(head(), event("one"), event("two"))), answer(head(), bytewise(event("é"))), text_stream("x")
        )
        async with connected(upstream) as (reader, writer):
            post(writer)
            assert b"two" in await reader.read(65536)
        async with connected(upstream) as (reader, writer):
            post(writer)
            await read_head(reader)
            reads = []
            while not b"".join(reads).endswith(b"0\r\n\r\n"):
                reads.append(await reader.read(65536))
            assert b"data: \xc3\xa9" in b"".join(reads)
            assert len(reads) > 5


async def test_a_whole_answer_may_be_joined_or_bytewise():
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("é à", chunks=2).bytewise(), text_stream("é à").joined())

        assert [said((await exchange(upstream))[2]) for _ in range(2)] == ["é à", "é à"]


async def test_a_pause_paces_the_stream():
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("a b", usage=False).paced(0.02))
        started = time.monotonic()

        await exchange(upstream)

        assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize(("last", "problem"), [(cut(), ConnectionResetError), (half_chunk(), None), (close(), None)])
async def test_a_stream_can_break_off_in_every_way(last, problem):
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("a b c d", usage=False).first(3).then(pause(0.02), last))
        async with connected(upstream) as (reader, writer):
            post(writer)
            await read_head(reader)
            data = b""
            with contextlib.suppress(ConnectionResetError) if problem else contextlib.nullcontext():
                while more := await reader.read(65536):
                    data += more
            assert isinstance(reader.exception(), problem) if problem else reader.exception() is None
        assert data.count(b"chat.completion.chunk") == 3
        assert not data.endswith(b"0\r\n\r\n")
        if problem is None:
            assert data.rpartition(b"\r\n")[2].startswith(b"data: x" if b"40\r\n" in data else b"")
        assert upstream.chats[0].finished


async def test_it_can_break_off_before_a_head():
    async with FakeUpstream() as upstream:
        upstream.script(answer(close()))
        async with connected(upstream) as (reader, writer):
            post(writer)
            assert await reader.read() == b""


async def test_it_notices_who_leaves_while_it_stalls():
    async with FakeUpstream() as upstream:
        upstream.script(answer(head(), stall()))
        async with connected(upstream) as (reader, writer):
            post(writer)
            seen = await upstream.arrived()
            await seen.silent()
            await read_head(reader)
            left = time.monotonic()
        gone = await seen.gone()

        assert left <= gone <= left + 1
        assert not seen.finished
        await upstream.closed()


@pytest.mark.parametrize("step", [pause(60), wait(asyncio.Event()), stall()])
async def test_it_notices_a_half_close_and_a_reset(step):
    async with FakeUpstream() as upstream:
        upstream.script(answer(step))
        async with connected(upstream) as (_, writer):
            post(writer)
            seen = await upstream.arrived()
            writer.write_eof()
            await seen.gone()
        async with connected(upstream) as (_, writer):
            post(writer)
            seen = await upstream.arrived(2)
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            await seen.gone()


async def test_waiting_for_what_never_comes_fails_with_words():
    async with FakeUpstream() as upstream:
        with pytest.raises(AssertionError, match=r"request 1 did not arrive within 0\.01 s"):
            await upstream.arrived(timeout=0.01)
        upstream.script(answer(pause(60)), reply())
        async with connected(upstream) as (_, writer):
            post(writer)
            seen = await upstream.arrived()
            for waiting, words in (
                (seen.gone(0.01), "did not leave"),
                (seen.silent(0.01), "reach its stall"),
                (seen.over(0.01), "neither complete"),
                (upstream.closed(0.01), "still open"),
            ):
                with pytest.raises(AssertionError, match=words):
                    await waiting
        await exchange(upstream)
        await upstream.chats[1].over()
        with pytest.raises(AssertionError, match="complete before the client left"):
            await upstream.chats[1].gone()


async def test_models_are_listed_beside_the_script():
    async with FakeUpstream() as upstream:
        upstream.script(error(500))
        upstream.models(["a", {"id": "b", "max_model_len": 9}])
        async with connected(upstream) as (reader, writer):
            writer.write(b"GET /v1/models?limit=5 HTTP/1.1\r\nHost: x\r\n\r\n")
            status, headers = await read_head(reader)
            listed = json.loads(await read_body(reader, headers))

        assert status == 200
        assert [row["id"] for row in listed["data"]] == ["a", "b"]
        assert listed["data"][1]["max_model_len"] == 9
        assert upstream.chats == []


async def test_the_list_of_models_may_fail():
    async with FakeUpstream() as upstream:
        upstream.models(error(404, "<html>nothing</html>"))
        async with connected(upstream) as (reader, writer):
            writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
            status, headers = await read_head(reader)

        assert (status, headers["content-type"]) == (404, "text/html")


async def test_a_chunked_request_that_waits_for_continue_is_read():
    async with FakeUpstream() as upstream:
        upstream.on(echo)
        async with connected(upstream) as (reader, writer):
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            assert (await read_head(reader))[0] == 100
            body = json.dumps({"messages": [{"content": "in pieces"}]}).encode()
            for piece in (body[:9], body[9:]):
                writer.write(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            assert (await read_head(reader))[0] == 200
        assert upstream.chats[0].body == body


async def test_what_is_no_http_is_refused():
    async with FakeUpstream() as upstream, connected(upstream) as (reader, writer):
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")

        assert (await read_head(reader))[0] == 400
        assert upstream.requests == []


async def test_a_port_that_refuses():
    async with FakeUpstream(refuses=True) as upstream:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", upstream.port)


async def test_a_script_that_fails_fails_the_test():
    def broken(seen):
        raise KeyError("what the script forgot")

    async def use():
        async with FakeUpstream() as upstream:
            upstream.on(broken)
            async with connected(upstream) as (reader, writer):
                post(writer)
                await reader.read()

    with pytest.raises(KeyError, match="forgot"):
        await use()


async def test_the_ready_made_answers():
    async with FakeUpstream() as upstream:
        upstream.script(
            tool_stream(),
            reasoning_stream("why", "so"),
            whole_tools(),
            redirect("http://127.0.0.1:9/"),
            either(text_stream("s"), whole("w")),
            garbage(),
            answer(wire(b"SSH-2.0-hello\r\n\r\n"), close()),
        )
        tools, thoughts, plain_tools, moved, chosen, noise = [await exchange(upstream) for _ in range(6)]

        assert b'"name": "get_weather", "arguments": ""' in tools[2]
        assert said(thoughts[2]) == "so"
        assert b'"reasoning_content": "why"' in thoughts[2]
        assert json.loads(plain_tools[2])["choices"][0]["finish_reason"] == "tool_calls"
        assert (moved[0], moved[1]["location"]) == (302, "http://127.0.0.1:9/")
        assert said(chosen[2]) == "s"
        assert noise[2].count(b"chat.completion.chunk") == 8
        assert b"\xff\xfe" in noise[2]
        async with connected(upstream) as (reader, writer):
            post(writer)
            assert await reader.read() == b"SSH-2.0-hello\r\n\r\n"


async def test_a_flood_waits_for_its_reader():
    async with FakeUpstream() as upstream:
        upstream.script(flood(32 * 2**20))
        async with connected(upstream) as (reader, writer):
            post(writer)
            await reader.readexactly(1000)
            await asyncio.sleep(0.05)
            assert not upstream.chats[0].finished
            rest = 0
            while not upstream.chats[0].finished or rest < 32 * 2**20:
                rest += len(await reader.read(2**20))
        assert rest < 33 * 2**20


async def test_many_connections_at_once_do_not_mix():
    async with FakeUpstream() as upstream:
        upstream.on(echo)

        results = await asyncio.gather(
            *(exchange(upstream, {"messages": [{"content": f"<{i}>"}]}) for i in range(300)),
        )

        texts = [json.loads(body)["choices"][0]["message"]["content"] for _, _, body in results]
        assert texts == [f"<{i}>" for i in range(300)]
