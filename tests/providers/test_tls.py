"""Upstreams that speak TLS: whom we believe, what a cut is, and that all else is as without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvloop

from llms.config.problems import Invalid
from llms.protocol.errors import (
    UpstreamOutOfService,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from llms.providers.openai_compatible import Options
from llms.server.event_stream import EventStream
from llms.testing.answers import Answer, chunk
from llms.testing.contract.setup import objects_of
from llms.testing.exchange import Exchange
from llms.testing.fake_upstream import FakeUpstream, answer, body, close, cut, event, head, raw, stall, text_stream
from llms.testing.plain_client import text_of
from llms.testing.steps import Step
from tests.certificates import Authority, self_signed
from tests.providers.hanging import Hanging
from tests.providers.relayed import Made, said
from tests.proxy import ask, chat, serving

WHOLE = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}'


@dataclass(frozen=True)
class Fin:
    """End the TCP connection without a word of TLS."""

    size: ClassVar[int] = 0

    async def play(self, out: Exchange) -> None:
        descriptor = out._transport.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            copy.shutdown(socket.SHUT_WR)
        out.over = True


class Secured(Made):
    """Makes the provider in front of an upstream that speaks TLS."""

    def __init__(self, tls: ssl.SSLContext, *, host: str = "127.0.0.1", settings: Any = None, **options: Any) -> None:
        self.tls, self.host, self.options, self.settings = tls, host, options, settings

    def upstream(self, *, refuses: bool) -> FakeUpstream:
        return FakeUpstream(refuses=refuses, tls=self.tls)

    async def provider(self, upstream: FakeUpstream) -> Any:
        self.options = {"base_url": f"https://{self.host}:{upstream.port}/v1", **self.options}
        return await super().provider(upstream)


@pytest.fixture
def secured(authority: Authority) -> Secured:
    return Secured(authority.server(), ca_file=str(authority.file))


class TestAnswers:
    async def test_streams_and_whole_answers_share_a_connection(self, secured: Secured) -> None:
        async with secured.ready() as (provider, upstream):
            assert said(secured, await secured.ask(provider)) == "Hello world"
            upstream.script(text_stream("é漢字😀 " * 5_000))
            assert said(secured, await secured.ask(provider)) == "é漢字😀 " * 5_000
            upstream.script(body(WHOLE))
            assert (
                secured.fold(await secured.ask(provider, stream=False))["choices"][0]["message"]["content"] == "hello"
            )

            assert {seen.connection for seen in upstream.chats} == {1}

    async def test_a_client_that_leaves_ends_the_upstreams_work(self, secured: Secured) -> None:
        async with secured.ready() as (provider, upstream):
            upstream.script(answer(event(chunk({"content": "so far"})), stall()))
            async with contextlib.aclosing(provider.chat(secured.request())) as chunks:
                await anext(chunks)

            await upstream.chats[0].gone()

    async def test_what_only_repeats_wakes_nobody(self, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[bytes] = []
        write = EventStream.write

        async def noting(events: EventStream, data: bytes) -> None:
            written.append(data)
            await write(events, data)

        monkeypatch.setattr(EventStream, "write", noting)
        async with FakeUpstream(tls=authority.server()) as upstream, serving(row_of(upstream, authority)) as proxy:
            upstream.script(text_stream("w " * 40, chunks=40).paced(0.002))
            reply = await ask(proxy, chat())

        assert reply.text == "w " * 40
        assert len(written) < 12


def row_of(upstream: FakeUpstream, authority: Authority, *, host: str = "127.0.0.1", more: str = "") -> str:
    """Return a configuration with one provider `up` behind the name `m`."""
    return (
        f'providers:\n  up: {{type: openai_compatible, base_url: "https://{host}:{upstream.port}/v1", '
        f"ca_file: '{authority.file}', models: [real]{more}}}\nmodels:\n  m: {{targets: [up/real]}}\n"
    )


def ending(framing: str, *last: Step) -> Answer:
    """Return an answer that says all, and then ends in some way."""
    steps = [head(200, {"Content-Type": "application/json"}), raw(WHOLE), *last]
    return answer(*steps, framing=framing)  # type: ignore[arg-type]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
class TestEnds:
    """Where an answer lasts as long as its connection, only TLS itself can tell an end from a cut."""

    def content(self, new_loop: Any, secured: Secured, scripted: Answer) -> str:
        async def get() -> str:
            async with secured.ready() as (provider, upstream):
                upstream.script(scripted)
                folded = secured.fold(await secured.ask(provider, stream=False))
                return str(folded["choices"][0]["message"]["content"])

        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(get())

    @pytest.mark.parametrize("last", [Fin(), cut()], ids=["fin", "reset"])
    @pytest.mark.parametrize("framing", ["close", "chunked"])
    def test_a_cut_is_no_end(self, new_loop: Any, secured: Secured, framing: str, last: Step) -> None:
        with pytest.raises(UpstreamTruncated):
            self.content(new_loop, secured, ending(framing, last))

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_farewell_is_one(self, new_loop: Any, secured: Secured, version: ssl.TLSVersion) -> None:
        secured.tls.maximum_version = version

        assert self.content(new_loop, secured, ending("close", close())) == "hello"

    @pytest.mark.parametrize("last", [Fin(), close()], ids=["fin", "farewell"])
    def test_after_all_that_was_announced_both_are(self, new_loop: Any, secured: Secured, last: Step) -> None:
        assert self.content(new_loop, secured, ending("length", last)) == "hello"

    @pytest.mark.parametrize("last", [Fin(), cut(), close()], ids=["fin", "reset", "farewell"])
    def test_a_cut_stream_keeps_what_came(self, new_loop: Any, secured: Secured, last: Step) -> None:
        async def get() -> tuple[Exception, str]:
            async with secured.ready() as (provider, upstream):
                upstream.script(answer(event(chunk({"content": "so far"})), raw(b"data: {"), last))
                failure, before = await secured.fail(provider)
                return failure, text_of(objects_of(before))

        with asyncio.Runner(loop_factory=new_loop) as runner:
            failure, text = runner.run(get())
        assert (type(failure), text) == (UpstreamTruncated, "so far")


class TestTrust:
    """Each certificate that is no good is told with its mending, once, and nothing is sent."""

    async def refusal(self, setup: Secured) -> str:
        async with setup.ready() as (provider, upstream):
            failure, _ = await setup.fail(provider)
            assert not upstream.requests
            assert isinstance(failure, UpstreamOutOfService)
            assert f"up: the TLS certificate of {setup.host}:{upstream.port} " in failure.message
            assert setup.key not in failure.message
            return failure.message

    @pytest.mark.parametrize(("host", "names"), [("localhost", ["127.0.0.1"]), ("127.0.0.1", ["localhost"])])
    async def test_a_wrong_name(self, authority: Authority, host: str, names: list[str]) -> None:
        setup = Secured(authority.server(*names), host=host, ca_file=str(authority.file))

        assert "another name: `base_url` must have" in await self.refusal(setup)

    @pytest.mark.parametrize(("days", "words"), [((-9, -2), "has expired"), ((2, 9), "is not valid yet")])
    async def test_a_wrong_time(self, authority: Authority, days: tuple[int, int], words: str) -> None:
        setup = Secured(authority.server(days=days), ca_file=str(authority.file))

        assert words in await self.refusal(setup)

    async def test_an_unknown_authority(self, authority: Authority) -> None:
        assert "authority that is unknown here: to trust it" in await self.refusal(Secured(authority.server()))

    async def test_another_authority_than_the_rows(self, authority: Authority, tmp_path: Path) -> None:
        other = Authority.at(tmp_path / "other.pem")
        setup = Secured(authority.server(), ca_file=str(other.file))

        assert f"is not one of `ca_file` {other.file}" in await self.refusal(setup)

    async def test_a_self_signed_one_until_it_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "alone.pem"
        tls = self_signed(file)
        assert "is signed by itself" in await self.refusal(Secured(tls, host="localhost"))

        setup = Secured(tls, host="localhost", ca_file=str(file))
        async with setup.ready() as (provider, _):
            assert said(setup, await setup.ask(provider)) == "Hello world"

    async def test_the_usual_variable_names_an_authority(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        setup = Secured(authority.server())
        async with setup.ready() as (provider, _):
            assert said(setup, await setup.ask(provider)) == "Hello world"

    async def test_a_renewed_authority_counts_from_its_files_change_on(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        file = tmp_path / "ca.pem"
        Authority.at(file)
        setup = Secured(authority.server(), ca_file=str(file))
        async with setup.ready() as (provider, _):
            await setup.fail(provider)
            file.write_bytes(authority.file.read_bytes())
            os.utime(file, ns=(1, 1))

            assert said(setup, await setup.ask(provider)) == "Hello world"

    async def test_a_file_that_is_gone_is_told(self, authority: Authority, tmp_path: Path) -> None:
        file = tmp_path / "ca.pem"
        file.write_bytes(authority.file.read_bytes())
        setup = Secured(authority.server(), ca_file=str(file))
        async with setup.ready() as (provider, _):
            file.unlink()
            failure, _ = await setup.fail(provider)

        assert isinstance(failure, UpstreamOutOfService)
        assert f"up: `ca_file` {file} cannot be read: No such file" in failure.message

    async def test_clients_do_not_make_it_ask_again_and_again(self, authority: Authority) -> None:
        asked: list[str | None] = []
        tls = authority.server("127.0.0.1")
        tls.sni_callback = lambda _, name, __: asked.append(name)
        async with (
            FakeUpstream(tls=tls) as upstream,
            serving(row_of(upstream, authority, host="localhost", more=", retries: 5")) as proxy,
        ):
            reply = await ask(proxy, chat())

        assert reply.status == 503
        assert reply.error["code"] == "upstream_unavailable"
        assert "another name" in reply.error["message"]
        assert asked == ["localhost"]


class TestHandshake:
    async def test_the_name_is_told_and_nothing_but_http_1_offered(self, authority: Authority) -> None:
        asked: list[str | None] = []
        chosen: list[str | None] = []
        tls = authority.server()
        tls.sni_callback = lambda _, name, __: asked.append(name)
        setup = Secured(tls, host="localhost", ca_file=str(authority.file))
        async with setup.ready() as (provider, upstream):
            await setup.ask(provider)
            [connection] = upstream._connections
            chosen.append(connection._transport.get_extra_info("ssl_object").selected_alpn_protocol())

        assert (asked, chosen) == (["localhost"], ["http/1.1"])

    async def test_the_roots_are_read_once_for_all_who_wait(
        self, secured: Secured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str | None] = []
        make = ssl.create_default_context

        def noting(*, cafile: str | None) -> ssl.SSLContext:
            read.append(cafile)
            return make(cafile=cafile)

        monkeypatch.setattr(ssl, "create_default_context", noting)
        async with secured.ready() as (provider, upstream):
            upstream.script(text_stream().paced(0.05))
            await asyncio.gather(*(secured.ask(provider) for _ in range(5)))

            assert {seen.connection for seen in upstream.chats} == {1, 2, 3, 4, 5}
        assert len(read) == 1

    async def test_one_that_hangs_is_waited_for_as_long_as_the_row_says(self, authority: Authority) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"https://127.0.0.1:{silent.getsockname()[1]}/v1"
            setup = Secured(authority.server(), settings={"connect_timeout": 0.2}, base_url=address)
            async with setup.ready() as (provider, _):
                failure, _ = await setup.fail(provider)

        assert isinstance(failure, UpstreamTimeout)

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_a_client_that_leaves_meanwhile_ends_it(self, new_loop: Any) -> None:
        async def leave() -> None:
            async with Hanging() as upstream:
                setup = Made()
                setup.options = {"base_url": f"https://127.0.0.1:{upstream.port}/v1"}
                async with setup.ready() as (provider, _):
                    await upstream.is_left_by(setup, provider)

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(leave())

    async def test_garbage_instead_of_tls_is_told(self) -> None:
        async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        setup = Made()
        async with await asyncio.start_server(garbage, "127.0.0.1", 0) as server:
            place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            setup.options = {"base_url": f"https://{place}/v1"}
            async with setup.ready() as (provider, _):
                failure, _ = await setup.fail(provider)

        assert isinstance(failure, UpstreamUnreachable)
        assert f"{place} does not speak TLS: is it an http:// address?" in failure.message


class TestRows:
    @pytest.mark.parametrize("switch", ["verify", "ssl_verify", "verify_ssl", "insecure"])
    def test_nobody_is_trusted_blindly(self, switch: str) -> None:
        with pytest.raises(Invalid, match=f"no `{switch}`.*`ca_file`"):
            Options.read({"base_url": "https://up.test/v1", switch: False})

    def test_a_file_that_is_missing_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(Invalid, match="ca_file: cannot be read: No such file"):
            Options(base_url="https://up.test/v1", ca_file=str(tmp_path / "none.pem"))

    def test_a_file_without_certificates_is_told(self, tmp_path: Path) -> None:
        file = tmp_path / "key.pem"
        file.write_text("-----BEGIN PRIVATE KEY-----\n")
        with pytest.raises(Invalid, match="no certificate in PEM form"):
            Options(base_url="https://up.test/v1", ca_file=str(file))
