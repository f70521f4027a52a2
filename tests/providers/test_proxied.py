"""Upstreams behind HTTP proxies: all is as without, and what the proxy says against it is told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import uvloop

from llms.config.problems import Invalid
from llms.protocol.errors import (
    LlmsError,
    UpstreamOutOfService,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)
from llms.protocol.passthrough import PassRequest
from llms.providers.openai_compatible import Options
from llms.testing.answers import chunk
from llms.testing.contract import ProviderContract
from llms.testing.contract.setup import objects_of
from llms.testing.fake_upstream import FakeUpstream, answer, cut, event, raw, stall, text_stream
from llms.testing.plain_client import text_of
from tests.certificates import Authority
from tests.http_proxy import HttpProxy
from tests.providers.hanging import Hanging
from tests.providers.relayed import Made, said
from tests.proxy import ask, chat, serving

PASSWORD = "p%40ss-planted-9e1f"
HOST = "upstream.test"


class Proxied(Made):
    """Makes the provider in front of an upstream that only a proxy can find."""

    def __init__(
        self,
        authority: Authority | None = None,
        *,
        variable: str = "ALL_PROXY",
        user: str = "",
        sends: str = "",
        answers: bytes = b"",
        tls: ssl.SSLContext | None = None,
        settings: Any = None,
        environ: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        """With an authority the upstream speaks TLS; `sends` is the user that the variable says, if not `user`."""
        self.authority, self.variable, self.user, self.sends = authority, variable, user, sends or user
        self.answers, self.proxy_tls, self.settings = answers, tls, settings
        self.environ, self.options = environ or {}, options

    def upstream(self, *, refuses: bool) -> FakeUpstream:
        tls = self.authority.server(HOST, "127.0.0.1") if self.authority else None
        return FakeUpstream(refuses=refuses, tls=tls)

    @contextlib.asynccontextmanager
    async def ready(self, *, refuses: bool = False) -> AsyncIterator[tuple[Any, FakeUpstream]]:
        self.stack = contextlib.AsyncExitStack()
        async with self.stack, super().ready(refuses=refuses) as both:
            yield both

    async def provider(self, upstream: FakeUpstream) -> Any:
        proxy = HttpProxy(upstream.port, user=self.user.replace("%40", "@"), answers=self.answers, tls=self.proxy_tls)
        self.proxy = await self.stack.enter_async_context(proxy)
        address = self.proxy.url.replace("://", f"://{self.sends}@") if self.sends else self.proxy.url
        self.resources = replace(self.resources, environ={self.variable: address, **self.environ})
        scheme = "https" if self.authority else "http"
        ca_file = {"ca_file": str(self.authority.file)} if self.authority else {}
        self.options = {"base_url": f"{scheme}://{HOST}:{upstream.port}/v1", **ca_file, **(self.options or {})}
        return await super().provider(upstream)


@dataclass
class Sound:
    """Something to upload, in pieces, whose length may be unknown."""

    known: int | None
    repeatable: bool = True

    def length(self, model: str) -> int | None:
        return self.known

    async def pieces(self, model: str) -> AsyncGenerator[bytes, None]:
        for _ in range(30):
            yield b"la" * 50_000


@pytest.fixture(params=["plain", "tunnel"])
def proxied(request: pytest.FixtureRequest, authority: Authority) -> Proxied:
    """Once with a proxy that reads what is asked, once with one that only connects."""
    return Proxied(authority if request.param == "tunnel" else None)


class TestContract(ProviderContract, Made):
    """All that every provider must hold, through a tunnel."""

    makes_embeddings = True

    @pytest.fixture(autouse=True)
    def _authority(self, authority: Authority) -> None:
        self.way = Proxied(authority)

    def upstream(self, *, refuses: bool) -> FakeUpstream:
        return self.way.upstream(refuses=refuses)

    @contextlib.asynccontextmanager
    async def ready(self, *, refuses: bool = False) -> AsyncIterator[tuple[Any, FakeUpstream]]:
        self.way.stack = contextlib.AsyncExitStack()
        async with self.way.stack, super().ready(refuses=refuses) as both:
            yield both

    async def provider(self, upstream: FakeUpstream) -> Any:
        self.way.options, self.way.key, self.way.resources = {}, self.key, self.resources  # type: ignore[misc]
        return await self.way.provider(upstream)


class TestTheSame:
    async def test_streams_and_whole_answers_share_a_connection(self, proxied: Proxied) -> None:
        async with proxied.ready() as (provider, upstream):
            upstream.script(text_stream("é漢字😀 " * 5_000))
            for _ in range(2):
                assert said(proxied, await proxied.ask(provider)) == "é漢字😀 " * 5_000
            await proxied.ask(provider, stream=False)

            assert {seen.connection for seen in upstream.chats} == {1}
            assert upstream.chats[0].path == "/v1/chat/completions"
            assert upstream.chats[0].headers["host"] == f"{HOST}:{upstream.port}"
            wanted = [("CONNECT", f"{HOST}:{upstream.port}")]
            forwarded = [("POST", f"http://{HOST}:{upstream.port}/v1/chat/completions")] * 3
            assert proxied.proxy.asked == (wanted if proxied.authority else forwarded)

    async def test_a_tunnel_sees_no_key(self, authority: Authority) -> None:
        setup = Proxied(authority)
        async with setup.ready() as (provider, _):
            await setup.ask(provider)

        assert setup.key.encode() not in b"".join(setup.proxy.heads)

    async def test_a_client_that_leaves_ends_the_upstreams_work(self, proxied: Proxied) -> None:
        async with proxied.ready() as (provider, upstream):
            upstream.script(answer(event(chunk({"content": "so far"})), stall()))
            async with contextlib.aclosing(provider.chat(proxied.request())) as chunks:
                await anext(chunks)

            await upstream.chats[0].gone()

    @pytest.mark.parametrize("length", [None, 3_000_000])
    async def test_what_is_uploaded_arrives(self, proxied: Proxied, length: int | None) -> None:
        async with proxied.ready() as (provider, upstream):
            passed = await provider.pass_on(PassRequest("POST", "files", upload=Sound(length)))
            passed.close()

            assert upstream.chats[0].body == b"la" * 1_500_000

    @pytest.mark.parametrize("who", ["upstream", "proxy"])
    async def test_a_cut_stream_keeps_what_came(self, proxied: Proxied, who: str) -> None:
        async with proxied.ready() as (provider, upstream):
            said = event(chunk({"content": "so far"}))
            upstream.script(answer(said, raw(b"data: {"), cut() if who == "upstream" else stall()))
            chunks = provider.chat(proxied.request())
            text = text_of(objects_of([await anext(chunks)]))
            if who == "proxy":
                proxied.proxy.cut()
            with pytest.raises(UpstreamTruncated):
                await anext(chunks)

        assert text == "so far"

    async def test_one_that_wants_a_user_gets_it(self, authority: Authority) -> None:
        for setup in (Proxied(authority, user=f"me:{PASSWORD}"), Proxied(user=f"me:{PASSWORD}")):
            async with setup.ready() as (provider, upstream):
                assert said(setup, await setup.ask(provider)) == "Hello world"
                assert "proxy-authorization" not in upstream.chats[0].headers

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    @pytest.mark.parametrize("tunnel", [True, False])
    def test_a_proxy_may_speak_tls_itself(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch, new_loop: Any, tunnel: bool
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        setup = Proxied(authority if tunnel else None, tls=authority.server())

        async def stream() -> str:
            async with setup.ready() as (provider, upstream):
                upstream.script(text_stream("é漢字😀 " * 5_000))
                return said(setup, await setup.ask(provider))

        with asyncio.Runner(loop_factory=new_loop) as runner:
            assert runner.run(stream()) == "é漢字😀 " * 5_000

    async def test_a_certificate_that_is_no_good_is_the_upstreams(self, authority: Authority) -> None:
        setup = Proxied(authority, base_url="https://other.test:1/v1")
        async with setup.ready() as (provider, upstream):
            failure, _ = await setup.fail(provider)

            assert isinstance(failure, UpstreamOutOfService)
            assert "up: the TLS certificate of other.test:1 is for another name" in failure.message
            assert not upstream.requests


def status(line: str) -> bytes:
    """Return a refusal that repeats what it was sent, as careless proxies do."""
    return f"HTTP/1.1 {line}\r\nContent-Length: 30\r\n\r\nwhat about {PASSWORD}?".encode().ljust(30)


class TestRefusals:
    async def failure(self, setup: Proxied, caplog: pytest.LogCaptureFixture) -> LlmsError:
        caplog.set_level(logging.DEBUG)
        async with setup.ready() as (provider, upstream):
            failure, before = await setup.fail(provider)
            assert not upstream.requests
            assert not before
        assert len(setup.proxy.asked) <= 1, "a refusal is no reason to ask again"
        for secret in (PASSWORD, PASSWORD.replace("%40", "@"), setup.key):
            assert secret not in failure.message + caplog.text + repr(setup.proxy)
        return failure

    @pytest.mark.parametrize(
        ("line", "kind", "words"),
        [
            (
                "407 Proxy Authentication Required",
                UpstreamOutOfService,
                "answers 407 Proxy Authentication Required for ",
            ),
            ("403 Forbidden", UpstreamOutOfService, "it does not let us reach that address"),
            ("405 Method Not Allowed", UpstreamOutOfService, "it makes no tunnels"),
            ("502 Bad Gateway", UpstreamUnreachable, "answers 502 Bad Gateway"),
            ("599 Odd", UpstreamUnreachable, "answers 599 for "),
            ("301 Moved\r\nLocation: http://evil.test", UpstreamUnreachable, "answers 301 Moved Permanently"),
        ],
    )
    async def test_no_tunnel(
        self, authority: Authority, caplog: pytest.LogCaptureFixture, line: str, kind: type, words: str
    ) -> None:
        setup = Proxied(authority, sends=f"me:{PASSWORD}", answers=status(line), variable="https_proxy")
        failure = await self.failure(setup, caplog)

        assert type(failure) is kind
        assert failure.message.startswith(f"up: the proxy 127.0.0.1:{setup.proxy.port} (https_proxy) answers ")
        assert words in failure.message

    async def test_a_wrong_password_is_told_by_both_kinds(
        self, proxied: Proxied, caplog: pytest.LogCaptureFixture
    ) -> None:
        proxied.user, proxied.sends = "me:right-one", f"me:{PASSWORD}"
        failure = await self.failure(proxied, caplog)

        assert type(failure) is UpstreamOutOfService
        assert "(ALL_PROXY) answers 407" in failure.message
        assert "it does not take the user and password of its address" in failure.message

    async def test_a_password_that_is_missing_is_told_by_both_kinds(
        self, proxied: Proxied, caplog: pytest.LogCaptureFixture
    ) -> None:
        proxied.user = "me:right-one"

        assert "http://USER:PASSWORD@HOST:PORT" in (await self.failure(proxied, caplog)).message

    async def test_an_upload_is_refused_like_a_chat(self, proxied: Proxied) -> None:
        proxied.user = "me:right-one"
        async with proxied.ready() as (provider, upstream):
            with pytest.raises(UpstreamOutOfService, match="answers 407"):
                await provider.pass_on(PassRequest("POST", "files", upload=Sound(None)))

            assert not upstream.requests

    async def test_what_a_reading_proxy_says_holds_no_secret(self, caplog: pytest.LogCaptureFixture) -> None:
        setup = Proxied(sends=f"me:{PASSWORD}", answers=status("502 Bad Gateway"))

        assert (await self.failure(setup, caplog)).http_status == 502

    @pytest.mark.parametrize(
        ("answers", "words"),
        [
            (b"SSH-2.0-OpenSSH\r\n", "does not answer in HTTP/1.1"),
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", "does not answer in HTTP/1.1"),
            (b"HTTP/1.1 200 ", "closed the connection without an answer"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "cannot connect to upstream.test"),
            (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "upstream.test"),
        ],
    )
    async def test_answers_that_are_none(
        self, authority: Authority, caplog: pytest.LogCaptureFixture, answers: bytes, words: str
    ) -> None:
        assert words in (await self.failure(Proxied(authority, answers=answers), caplog)).message

    async def test_a_proxy_that_is_not_there(self, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
        async with FakeUpstream(refuses=True) as nobody:
            setup = Proxied(authority, environ={"https_proxy": f"http://me:{PASSWORD}@127.0.0.1:{nobody.port}"})
            failure = await self.failure(setup, caplog)

            assert type(failure) is UpstreamUnreachable
            place = f"the proxy 127.0.0.1:{nobody.port} (https_proxy)"
            assert f"up: cannot connect to {place}: Connect" in failure.message

    async def test_a_proxy_that_hangs(self, authority: Authority) -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
                await reader.read()
            writer.close()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            setup = Proxied(authority, environ={"https_proxy": address}, settings={"connect_timeout": 0.2})
            async with setup.ready() as (provider, _):
                failure, _ = await setup.fail(provider)

        assert isinstance(failure, UpstreamTimeout)
        assert f"by the proxy {address.removeprefix('http://')} (https_proxy) within 0.2 s" in failure.message

    @pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    @pytest.mark.parametrize("answers", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["asked", "connected"])
    def test_a_client_that_leaves_on_the_way_ends_it(self, authority: Authority, new_loop: Any, answers: bytes) -> None:
        async def leave() -> None:
            async with Hanging(answers=answers, reads_head=True) as proxy:
                setup = Proxied(authority, environ={"https_proxy": f"http://127.0.0.1:{proxy.port}"})
                async with setup.ready() as (provider, _):
                    await proxy.is_left_by(setup, provider)

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(leave())

    async def test_a_proxys_own_certificate(self, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
        failure = await self.failure(Proxied(authority, tls=authority.server()), caplog)

        assert type(failure) is UpstreamOutOfService
        assert "the TLS certificate of the proxy 127.0.0.1:" in failure.message


class TestWhichWay:
    async def test_a_rows_own_proxy_comes_first_and_serves_this_machine_too(self) -> None:
        async with FakeUpstream() as upstream, HttpProxy(upstream.port, user="a:bcdefgh") as proxy:
            row = f"proxy: 'http://a:bcdefgh@127.0.0.1:{proxy.port}'"
            text = (
                f"providers:\n  up: {{type: openai_compatible, base_url: '{upstream.url}', models: [x], {row}}}\n"
                "models:\n  m: {targets: [up/x]}\n"
            )
            async with serving(text, environ={"HTTP_PROXY": "http://nowhere.invalid:1"}) as served:
                reply = await ask(served, chat())

            assert reply.text == "Hello world"
            assert proxy.asked == [("POST", f"{upstream.url}/chat/completions")]

    @pytest.mark.parametrize("environ", [{}, {"NO_PROXY": "127.0.0.1"}])
    async def test_this_machine_is_asked_directly(self, environ: dict[str, str]) -> None:
        setup = Proxied(variable="http_proxy", environ=environ)
        async with FakeUpstream() as upstream:
            setup.options = {"base_url": upstream.url}
            async with setup.ready() as (provider, _):
                assert said(setup, await setup.ask(provider)) == "Hello world"

        assert not setup.proxy.asked

    @pytest.mark.parametrize("more", [{"environ": {"no_proxy": f".test, {HOST}"}}, {"proxy": "direct"}])
    async def test_who_is_excepted_is_asked_directly(self, more: dict[str, Any]) -> None:
        setup = Proxied(**more)
        async with setup.ready() as (provider, _):
            failure, _ = await setup.fail(provider)

        assert "there is no such host" in failure.message
        assert not setup.proxy.asked

    async def test_an_environment_that_cannot_be_puts_the_row_out_of_service(self) -> None:
        text = (
            "providers:\n  up: {type: openai_compatible, base_url: 'https://up.test/v1'}\n"
            "models:\n  m: {targets: [up/x]}\n"
        )
        async with serving(text, environ={"ALL_PROXY": f"socks5://me:{PASSWORD}@proxy:1"}) as served:
            reply = await ask(served, chat())

        assert reply.error["code"] == "upstream_unavailable"
        assert "ALL_PROXY" in reply.error["message"]
        assert PASSWORD not in reply.error["message"]

    @pytest.mark.parametrize("proxy", ["socks5://a:secret@b", "http://a:secret@[b", "http://", "http://a:secret@b:0"])
    def test_a_rows_proxy_that_cannot_be_is_told_without_its_password(self, proxy: str) -> None:
        with pytest.raises(Invalid, match="proxy") as refused:
            Options(base_url="https://up.test/v1", proxy=proxy)

        assert "secret" not in str(refused.value)
