"""What is passed on as it is: routing, forms, answers as they come, failures, departures."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from llms.testing.answers import Answer, answer, body, error
from llms.testing.fake_upstream import FakeUpstream, close, cut, head, raw, stall
from llms.testing.steps import event
from tests.proxy import Proxy, RawClient, Reply, ask, one_upstream, serving
from tests.server.forms import FORM, field, form
from tests.server.wire import BEARER, KEYS, assert_envelope, assert_refused, connected, memory_at_most, read
from tests.sink import Sink, sinking

BEGUN = field("model", "m") + field("file", b"", filename="a.wav").removesuffix(b"\r\n")
SPEECH = {"model": "m", "input": "Hello", "voice": "alloy"}
AUDIO = answer(
    head(200, {"Content-Type": "audio/mpeg", "Content-Disposition": "attachment"}), raw(b"\0one"), raw(b"\xfftwo")
)
TWO = """
providers:
  first: {{type: openai_compatible, base_url: "{first.url}", retries: 0}}
  second: {{type: openai_compatible, base_url: "{second.url}", retries: 0}}
models:
  m: {{targets: [first/one, second/two]}}
"""


async def speak(proxy: Proxy, sent: Any = SPEECH, *, path: str = "/v1/audio/speech", **headers: str) -> Reply:
    return await ask(proxy, sent, path=path, headers=headers)


async def send_form(
    proxy: Proxy, sent: bytes, *, path: str = "/v1/audio/transcriptions", kind: str = FORM, **headers: str
) -> Reply:
    return await ask(proxy, sent, path=path, headers={"Content-Type": kind, **headers})


def into(sink: Sink, more: str = "") -> str:
    return (
        f'providers:\n  up: {{type: openai_compatible, base_url: "{sink.url}", retries: 1, models: [real-model]}}\n'
        f"models:\n  m: {{targets: [up/real-model]}}\n{more}"
    )


class TestAnswers:
    async def test_bytes_come_back_with_their_head(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(AUDIO)
            reply = await speak(proxy)
            (seen,) = upstream.chats
            [ended] = await proxy.all_ended(1)

        assert (reply.status, reply.body, reply.whole) == (200, b"\0one\xfftwo", True)
        assert reply.headers["content-type"] == "audio/mpeg"
        assert reply.headers["content-disposition"] == "attachment"
        assert (reply.headers["x-llms-provider"], reply.headers["x-llms-model"]) == ("up", "real-model")
        assert reply.headers["x-request-id"] == ended.request_id
        assert reply.headers["content-security-policy"].startswith("sandbox")
        assert (seen.path, seen.json) == ("/v1/audio/speech", {**SPEECH, "model": "real-model"})
        assert seen.headers["authorization"] == "Bearer sk-planted-upstream-key"
        assert (ended.route, ended.outcome, ended.model) == ("/v1/audio/speech", "ok", "real-model")

    async def test_a_length_that_is_known_is_told(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(AUDIO.framed("length"))
            reply = await speak(proxy)

        assert reply.headers["content-length"] == "8"
        assert reply.body == b"\0one\xfftwo"

    async def test_events_come_as_they_are_said(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            upstream.script(answer(event({"type": "transcript.text.delta", "delta": "Hel"}), stall()))
            await client.send(
                form(field("model", "m")), path="/v1/audio/transcriptions", headers={"Content-Type": FORM}
            )
            said = await client.until(b"Hel")
            seen = await upstream.arrived()
            client.close()
            await seen.gone()

        assert b"content-type: text/event-stream" in said.lower()

    @pytest.mark.parametrize(
        "usage", [{"prompt_tokens": 3, "completion_tokens": 4}, {"input_tokens": 3, "output_tokens": 4}]
    )
    async def test_usage_that_is_told_is_booked(self, usage: dict[str, int]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(body({"data": [], "usage": usage}))
            await speak(proxy, path="/v1/images/generations")
            [ended] = await proxy.all_ended(1)

        assert (ended.usage.prompt_tokens, ended.usage.completion_tokens) == (3, 4)

    async def test_a_refusal_is_told_in_the_usual_form(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(error(422, message="no such voice"))
            reply = await speak(proxy)

        assert reply.status == 422
        assert "no such voice" in assert_envelope(reply)["message"]

    @pytest.mark.parametrize("ending", [cut(), close()], ids=["cut", "closed"])
    async def test_an_answer_that_breaks_off_is_not_taken_for_whole(self, ending: Any) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            upstream.script(answer(head(200, {"Content-Type": "audio/mpeg"}), raw(b"half"), ending))
            await client.send(SPEECH, path="/v1/audio/speech")
            try:
                reply = await client.reply()
                assert not reply.whole
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            [ended] = await proxy.all_ended(1)

        assert (ended.outcome, ended.error_code) == ("truncated", "upstream_truncated")

    async def test_events_that_break_off_end_with_an_error(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(answer(event({"delta": "Hel"}), raw(b"data: {"), close()))
            reply = await speak(proxy)

        assert reply.error["code"] == "upstream_truncated"

    async def test_events_of_a_known_length_may_change_it(self) -> None:
        crlf = answer(raw(b'data: {"a": 1}\r\n\r\ndata: {"b": 2}\r\n\r\n'), framing="length")
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(crlf)
            reply = await speak(proxy)

        assert (reply.whole, reply.events) == (True, [{"a": 1}, {"b": 2}])

    async def test_an_answer_may_be_any_length(self) -> None:
        piece = raw(b"x" * 2**18)
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            upstream.script(answer(head(200, {"Content-Type": "audio/wav"}), *[piece] * 120, framing="length"))
            with memory_at_most(12 * 2**20):
                await client.send(SPEECH, path="/v1/audio/speech")
                size = 30 * 2**20
                await client.until(b"\r\n\r\n")
                while size > 2**18:
                    size -= len(await client.reader.read(65536))


class TestForms:
    @pytest.mark.parametrize(
        "fields",
        [
            [field("model", "m"), field("file", b"\0" * 300_000, filename="a.wav")],
            [field("file", b"\r\n--b-4" * 50_000, filename="a.wav"), field("model", "m"), field("language", "en")],
        ],
        ids=["model first", "file first"],
    )
    async def test_the_model_is_replaced_and_nothing_else(self, fields: list[bytes]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(body({"text": "ok"}))
            reply = await send_form(proxy, form(*fields))
            (seen,) = upstream.chats

        assert json.loads(reply.body) == {"text": "ok"}
        assert seen.headers["content-type"] == FORM
        assert seen.body == form(*fields).replace(field("model", "m"), field("model", "real-model"))
        assert seen.headers["content-length"] == str(len(seen.body))

    async def test_a_form_in_chunks_is_sent_in_chunks(self) -> None:
        sent = form(field("model", "m"), field("file", b"abc" * 40_000, filename="a"))
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            upstream.script(body({"text": "ok"}))
            lines = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            client.writer.write(lines.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(sent), 7001):
                piece = sent[start : start + 7001]
                client.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await client.writer.drain()
            client.writer.write(b"0\r\n\r\n")
            reply = await client.reply()
            (seen,) = upstream.chats

        assert reply.status == 200
        assert seen.body == sent.replace(field("model", "m"), field("model", "real-model"))

    async def test_a_client_that_asks_first_is_told_to_go_on(self) -> None:
        sent = form(field("model", "m"))
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            upstream.script(body({"text": "ok"}))
            lines = (
                f"POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\nExpect: 100-continue\r\n"
            )
            client.writer.write(f"{lines}Content-Length: {len(sent)}\r\n\r\n".encode())
            await client.until(b"100 Continue\r\n\r\n")
            client.writer.write(sent)
            assert (await client.reply()).status == 200

    async def test_a_long_upload_is_not_held(self) -> None:
        size, piece = 30 * 2**20, b"\0" * 65536
        async with sinking() as sink, serving(into(sink)) as proxy, connected(proxy) as client:
            lines = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            whole = len(BEGUN) + size + len(form()) + 2
            with memory_at_most(8 * 2**20):
                client.writer.write(f"{lines}Content-Length: {whole}\r\n\r\n".encode() + BEGUN)
                for _ in range(size // len(piece)):
                    client.writer.write(piece)
                    await client.writer.drain()
                client.writer.write(b"\r\n" + form())
                reply = await client.reply()

        assert reply.status == 200
        assert sink.size == whole + len("real-model") - len("m")

    async def test_an_upstream_that_takes_nothing_holds_the_client_back(self) -> None:
        async with sinking(reads=False) as sink, serving(into(sink)) as proxy, connected(proxy) as client:
            lines = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            client.writer.write(f"{lines}Content-Length: {200 * 2**20}\r\n\r\n".encode() + BEGUN)
            await asyncio.wait_for(sink.came.wait(), 5)
            sent = 0
            with memory_at_most(16 * 2**20):
                try:
                    async with asyncio.timeout(0.5):
                        while sent < 100 * 2**20:
                            client.writer.write(b"\0" * 65536)
                            await client.writer.drain()
                            sent += 65536
                except TimeoutError:
                    pass
            assert sent < 64 * 2**20
            client.reset()
            [ended] = await proxy.all_ended(1)
            sink.reading.set()
            await asyncio.wait_for(sink.left.wait(), 5)

        assert (ended.outcome, ended.window) == ("cancelled", "whole_answer")

    @pytest.mark.parametrize("how", ["reset", "close"])
    async def test_a_client_that_leaves_mid_upload_takes_the_upload_along(self, how: str) -> None:
        async with sinking() as sink, serving(into(sink)) as proxy, connected(proxy) as client:
            lines = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            client.writer.write(f"{lines}Content-Length: 9999999\r\n\r\n".encode() + BEGUN + b"x" * 99)
            await asyncio.wait_for(sink.came.wait(), 5)
            getattr(client, how)()
            await asyncio.wait_for(sink.left.wait(), 5)
            await proxy.all_ended(1)

    async def test_a_refusal_before_the_end_of_the_upload_is_told(self) -> None:
        refusal = b'{"error":{"message":"too large for me","code":"too_large"}}'
        early = b"HTTP/1.1 413 No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(refusal),
            refusal,
        )
        async with sinking(early=early) as sink, serving(into(sink)) as proxy, connected(proxy) as client:
            lines = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            client.writer.write(f"{lines}Content-Length: {20 * 2**20}\r\n\r\n".encode() + BEGUN)
            await asyncio.wait_for(sink.came.wait(), 5)
            reply = await _send_until_answered(client)

        assert reply.status == 413
        assert "too large for me" in reply.error["message"]

    @pytest.mark.parametrize(
        ("sent", "kind", "status", "told"),
        [
            (form(field("model", "m"), field("model", "m")), FORM, 400, "once"),
            (form(field("model", "")), FORM, 400, "model"),
            (form(field("model", "nobody")), FORM, 404, "nobody"),
            (form(field("model", "m")), "multipart/form-data", 400, "boundary"),
            (b"RIFF", "audio/wav", 415, "application/json"),
            (b"{}", "application/json; charset=utf-8", 400, "provider"),
        ],
        ids=["twice", "empty", "unknown", "no boundary", "other type", "nothing"],
    )
    async def test_what_is_wrong_is_told(self, sent: bytes, kind: str, status: int, told: str) -> None:
        async with (
            FakeUpstream() as one,
            FakeUpstream() as other,
            serving(TWO.format(first=one, second=other)) as proxy,
        ):
            reply = await send_form(proxy, sent, kind=kind)
            assert not one.chats

        assert told in assert_refused(reply, status)["message"]

    async def test_a_form_without_its_model_in_reach_is_refused(self) -> None:
        sent = form(field("file", b"x" * 500_000), field("model", "m"))
        async with (
            FakeUpstream() as upstream,
            serving(one_upstream(upstream, more="server: {max_body: 1KiB}")) as proxy,
        ):
            reply = await send_form(proxy, sent)

        assert "before the files" in assert_refused(reply, 400)["message"]

    async def test_too_large_a_form_is_refused(self) -> None:
        async with (
            FakeUpstream() as upstream,
            serving(one_upstream(upstream, more="server: {max_upload: 1KiB}")) as proxy,
        ):
            reply = await send_form(proxy, form(field("model", "m"), field("file", b"x" * 5000)))
            assert not upstream.chats

        assert "max_upload" in assert_refused(reply, 413)["message"]

    async def test_a_form_that_grows_too_large_is_refused_on_the_way(self) -> None:
        async with (
            sinking() as sink,
            serving(into(sink, "server: {max_upload: 1MiB}")) as proxy,
            connected(proxy) as client,
        ):
            lines = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            client.writer.write(f"{lines}Transfer-Encoding: chunked\r\n\r\n{len(BEGUN):x}\r\n".encode() + BEGUN)
            for _ in range(20):
                client.writer.write(b"\r\n10000\r\n" + b"\0" * 65536)
            reply = await client.reply()
            await asyncio.wait_for(sink.left.wait(), 5)

        assert "max_upload" in assert_refused(reply, 413)["message"]
        assert sink.size < 2 * 2**20

    async def test_a_body_that_breaks_off_is_refused(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy, connected(proxy) as client:
            lines = f"POST /v1/images/edits HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n"
            client.writer.write(f"{lines}Transfer-Encoding: chunked\r\n\r\n5\r\nabcdeXX".encode())
            assert_refused(await client.reply(), 400)
            assert not upstream.chats


async def _send_until_answered(client: RawClient) -> Reply:
    """Send on and on, as clients do that read only at the end, but stop at an answer."""
    answered = asyncio.ensure_future(client.reply())
    while not answered.done():
        client.writer.write(b"\0" * 65536)
        try:
            await client.writer.drain()
        except ConnectionError:
            break
        await asyncio.sleep(0)
    return await answered


class TestAttempts:
    async def test_the_next_target_gets_the_same_with_its_own_model(self) -> None:
        sent = form(field("file", b"abc" * 1000, filename="a"), field("model", "m"))
        async with (
            FakeUpstream() as one,
            FakeUpstream() as other,
            serving(TWO.format(first=one, second=other)) as proxy,
        ):
            one.script(error(503))
            other.script(body({"text": "ok"}))
            reply = await send_form(proxy, sent)
            [ended] = await proxy.all_ended(1)

        assert (reply.status, reply.headers["x-llms-attempts"]) == (200, "2")
        assert one.chats[0].body == sent.replace(field("model", "m"), field("model", "one"))
        assert other.chats[0].body == sent.replace(field("model", "m"), field("model", "two"))
        assert (ended.fallbacks, ended.provider) == (1, "second")

    async def test_an_upstream_without_such_a_route_is_passed_over(self) -> None:
        async with (
            FakeUpstream() as one,
            FakeUpstream() as other,
            serving(TWO.format(first=one, second=other)) as proxy,
        ):
            one.script(error(404, message="no route"))
            other.script(AUDIO)
            assert (await speak(proxy)).status == 200

    async def test_what_cannot_be_sent_again_is_not(self) -> None:
        sent = form(field("model", "m"), field("file", b"\0" * (2 * 2**20), filename="a"))
        async with (
            FakeUpstream() as one,
            FakeUpstream() as other,
            serving(TWO.format(first=one, second=other)) as proxy,
        ):
            one.script(error(503, message="busy"))
            reply = await send_form(proxy, sent)
            assert not other.chats

        assert reply.status == 503
        assert "busy" in reply.error["message"]

    async def test_an_upstream_that_is_down_took_nothing(self) -> None:
        sent = form(field("model", "m"), field("file", b"\0" * (2 * 2**20), filename="a"))
        async with (
            FakeUpstream(refuses=True) as one,
            FakeUpstream() as other,
            serving(TWO.format(first=one, second=other)) as proxy,
        ):
            other.script(body({"text": "ok"}))
            assert (await send_form(proxy, sent)).status == 200

    async def test_an_answer_that_does_not_come_is_given_up(self) -> None:
        async with (
            FakeUpstream() as upstream,
            serving(one_upstream(upstream, row="timeouts: {answer: 0.2}, retries: 0")) as proxy,
        ):
            upstream.script(answer(stall()))
            reply = await send_form(proxy, form(field("model", "m")))
            seen = await upstream.arrived()
            await seen.gone()

        assert reply.status == 504

    async def test_a_silent_answer_is_given_up(self) -> None:
        async with (
            FakeUpstream() as upstream,
            serving(one_upstream(upstream, row="timeouts: {idle: 0.2}")) as proxy,
        ):
            upstream.script(answer(event({"delta": "a"}), stall()))
            reply = await speak(proxy)

        assert reply.error["code"] == "upstream_timeout"


class TestWho:
    async def test_targets_that_have_no_such_thing_are_left_out(self) -> None:
        async with FakeUpstream() as one, FakeUpstream() as other:
            text = TWO.format(first=one, second=other).replace("retries: 0}", "retries: 0, passes: [images]}", 1)
            async with serving(text) as proxy:
                other.script(AUDIO)
                assert (await speak(proxy)).headers["x-llms-attempts"] == "1"
                assert not one.chats

    async def test_a_model_without_it_is_told_who_has_it(self) -> None:
        async with FakeUpstream() as upstream:
            both = one_upstream(upstream).replace("providers:", "providers:\n  echo: {type: echo}")
            async with serving(both) as proxy:
                reply = await speak(proxy, {**SPEECH, "model": "echo/echo"})

        assert reply.status == 501
        found = assert_envelope(reply, code="not_supported")
        assert "audio" in found["message"]
        assert "up" in found["message"]

    async def test_where_nobody_has_it_that_is_told(self) -> None:
        async with serving("providers:\n  echo: {type: echo}") as proxy:
            reply = await speak(proxy, {**SPEECH, "model": "echo/echo"})
            files = await read(proxy, "/v1/files")

        assert (reply.status, files.status) == (501, 501)
        assert "No provider" in assert_envelope(files, code="not_supported")["message"]

    async def test_files_are_those_of_the_only_provider(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(body({"object": "list", "data": []}))
            listed = await read(proxy, "/v1/files?limit=2&after=a%20b")
            fetched = await read(proxy, "/files/file-1/content")
            deleted = await read(proxy, "/v1/files/file-1", method="DELETE")
            seen = [(one.method, one.path) for one in upstream.requests if "models" not in one.path]

        assert {listed.status, fetched.status, deleted.status} == {200}
        assert seen == [
            ("GET", "/v1/files?limit=2&after=a+b"),
            ("GET", "/v1/files/file-1/content"),
            ("DELETE", "/v1/files/file-1"),
        ]

    async def test_files_of_several_providers_need_a_name(self) -> None:
        async with (
            FakeUpstream() as one,
            FakeUpstream() as other,
            serving(TWO.format(first=one, second=other)) as proxy,
        ):
            other.script(body({"object": "list", "data": []}))
            nobody = await read(proxy, "/v1/files")
            wrong = await read(proxy, "/v1/files?provider=third")
            by_query = await read(proxy, "/v1/files?provider=second&limit=1")
            by_header = await read(proxy, "/v1/files", x_llms_provider="second")
            paths = [seen.path for seen in other.requests if "models" not in seen.path]

        assert {"first", "second"} <= set(
            assert_refused(nobody, 400)["message"].replace(",", "").replace(".", "").split()
        )
        assert "third" in assert_refused(wrong, 400)["message"]
        assert (by_query.status, by_header.status, paths) == (200, 200, ["/v1/files?limit=1", "/v1/files"])
        assert not [seen for seen in one.requests if "models" not in seen.path]

    async def test_a_file_is_uploaded_as_it_is(self) -> None:
        sent = form(field("purpose", "batch"), field("file", b"{}\n" * 9, filename="a"), field("model", "stays"))
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(body({"id": "file-1"}))
            reply = await send_form(proxy, sent, path="/v1/files")
            (seen,) = upstream.chats

        assert (reply.status, seen.body) == (200, sent)

    @pytest.mark.parametrize("name", ["..", "a%2Fb", "a%0d%0ab", "%20", "x" * 257])
    async def test_ids_that_lead_elsewhere_are_refused(self, name: str) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            reply = await read(proxy, f"/v1/files/{name}")
            assert not [seen for seen in upstream.requests if not seen.path.endswith("/models")]

        assert reply.status in (400, 404)

    async def test_a_key_is_needed_where_keys_are_required(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=KEYS)) as proxy:
            upstream.script(AUDIO)
            assert_refused(await speak(proxy), 401)
            reply = await speak(proxy, Authorization=BEARER)
            [ended] = await proxy.all_ended(1)

        assert reply.status == 200
        assert ended.key_id

    async def test_slots_count(self) -> None:
        async with (
            FakeUpstream() as upstream,
            serving(one_upstream(upstream, row="limits: {concurrency: 1, queue: 0}")) as proxy,
        ):
            async with connected(proxy) as client:
                upstream.script(answer(stall()))
                await client.send(SPEECH, path="/v1/audio/speech")
                await upstream.arrived()
                reply = await speak(proxy)
            upstream.script(AUDIO)
            await proxy.all_ended(2)
            assert (await speak(proxy)).status == 200

        assert_refused(reply, 429, code="queue_full")

    @pytest.mark.parametrize(
        "script", [answer(stall()), answer(head(200, {"Content-Type": "audio/mpeg"}), raw(b"a"), stall())]
    )
    async def test_a_client_that_leaves_stops_the_upstream(self, script: Answer) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(script)
            async with connected(proxy) as client:
                await client.send(SPEECH, path="/v1/audio/speech")
                seen = await upstream.arrived()
                await seen.silent()
            await seen.gone()
            [ended] = await proxy.all_ended(1)

        assert ended.outcome == "cancelled"
