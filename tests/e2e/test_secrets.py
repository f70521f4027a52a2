"""Planted secrets are looked for in every byte that leaves the server, whatever goes wrong."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import structlog

from llms.telemetry.log import RequestLog, configure
from llms.telemetry.redact import Redactor
from llms.testing.answers import chunk
from llms.testing.fake_upstream import (
    Answer,
    FakeUpstream,
    Seen,
    answer,
    body,
    cut,
    error,
    event,
    garbage,
    half_chunk,
    head,
    raw,
    redirect,
    reply,
    wire,
)
from tests.e2e.process import ROOT, Process, running
from tests.proxy import Proxy, RawClient, chat, serving

UPSTREAM = "planted-upstream-0123456789abcdef"
HEADER = "planted-header-0123456789abcdef"
QUERY = "planted-query-0123456789abcdef"
ENVIRONMENT = "planted-environment-0123456789abcdef"
CLIENT = "planted-client-0123456789abcdef"
WRONG = "planted-wrong-0123456789abcdef"
_BEGIN = event(chunk({"role": "assistant", "content": "a"}))
_STATUSES = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503)


def _faults(seen: Seen) -> dict[str, Answer]:
    """Return the ways to fail for an upstream that repeats every secret that it was sent, wherever it can."""
    key = seen.headers["authorization"].removeprefix("Bearer ")
    echo = f"Incorrect: {seen.path} {seen.headers.get('x-auth-token')} {key} (Bearer {key})."
    told = {"error": {"message": echo, "type": echo, "param": echo, "code": echo}}
    sent = {"x-request-id": echo, "Set-Cookie": f"key={key}", "WWW-Authenticate": echo, "Retry-After": key}
    as_json = {f"{status} as JSON": error(status, told, sent) for status in _STATUSES}
    return as_json | {
        "401 as text": error(401, echo),
        "400 as text": error(400, echo),
        "500 as HTML": error(500, f"<html><title>{echo}</title><body>{echo}</body></html>"),
        "400 as a text in JSON": error(400, {"error": echo}),
        "422 as a list": error(422, {"detail": [{"loc": ["header", key], "msg": echo}]}),
        "400 about the stream": error(400, {"error": {"message": f"stream not supported {echo}", "param": "stream"}}),
        "400 about the context": error(400, {"error": {"message": f"maximum context length {echo}"}}),
        "a redirect": redirect(f"http://127.0.0.1:1/?key={key}"),
        "no JSON": body(echo.encode(), headers={"Content-Type": "application/json"}),
        "a page": body(f"<html>{echo}</html>"),
        "no choices": body({"choices": [], "key": echo}),
        "an error as an answer": body(told),
        "an error as the first event": answer(event(told)),
        "an error in the middle": answer(_BEGIN, event(told)),
        "junk in the middle": answer(_BEGIN, raw(f"data: {{{echo}\n\n".encode()), cut()),
        "only junk": answer(raw(f"data: {echo}\n\n".encode())),
        "garbage": garbage(),
        "no HTTP": answer(wire(f"{echo}\r\n\r\n".encode())),
        "a broken head": answer(wire(f"HTTP/1.1 200 OK\r\n{key}\r\nX: {echo}\r\n\r\n".encode())),
        "a broken chunk": answer(wire(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n".encode())),
        "an unknown coding": answer(head(200, {"Content-Encoding": key}), _BEGIN),
        "an odd status": answer(wire(f"HTTP/1.1 299 {key}\r\nContent-Length: 0\r\n\r\n".encode())),
        "a cut": answer(cut()),
        "half a chunk": answer(_BEGIN, half_chunk()),
        "headers of a good answer": answer(head(200, sent), _BEGIN, event(chunk({}, "stop"))),
    }


_FAULTS = _faults(Seen("POST", "/", {"authorization": ""}, b"", None, 0, 0.0))


def _text(upstream: FakeUpstream, closed_port: int) -> str:
    headers = f"headers: {{x-auth-token: {HEADER}}}"
    calm = "retries: 0, cooldown: 0s, timeouts: {connect: 300ms}"
    own = f'base_url: "{upstream.url}", api_key: {UPSTREAM}'
    rows = {
        "up": f'openai_compatible, base_url: "{upstream.url}?key={QUERY}", api_key: {UPSTREAM}, {headers}, {calm}',
        "env": f'openai_compatible, base_url: "{upstream.url}", api_key: "${{PLANTED_KEY}}", {calm}',
        "sdk": f'sdk, client: "openai:AsyncOpenAI", options: {{{own}, max_retries: 0}}, {calm}',
        "refused": f'openai_compatible, base_url: "http://127.0.0.1:{closed_port}/v1", api_key: {UPSTREAM}, {calm}',
        "tls": f'openai_compatible, base_url: "https://127.0.0.1:{upstream.port}/v1", api_key: {UPSTREAM}, {calm}',
        "nowhere": 'openai_compatible, base_url: "http://nowhere.invalid/v1", ' + f"api_key: {UPSTREAM}, {calm}",
    }
    providers = "".join(f"  {name}: {{type: {row}}}\n" for name, row in rows.items())
    targets = "models:\n  m: {targets: [up/real-model]}\n"
    return f"providers:\n{providers}{targets}keys: {{static: [{CLIENT}]}}\n"


@asynccontextmanager
async def _closed_port() -> AsyncGenerator[int, None]:
    async with FakeUpstream(refuses=True) as nobody:
        yield nobody.port


async def _all_bytes(client: RawClient, sent: bytes) -> bytes:
    """Send a request that asks for the end of the connection, and return everything that came."""
    client.writer.write(sent)
    try:
        async with asyncio.timeout(20):
            return await client.reader.read()
    finally:
        client.close()


def _request(method: str, path: str, *lines: str, sent: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines]
    head += [f"Content-Length: {len(sent)}", "Content-Type: application/json"] if sent else []
    return "\r\n".join([*head, "", ""]).encode() + sent


def _asking(model: str, *, stream: bool, key: str = CLIENT) -> bytes:
    return _request(
        "POST",
        "/v1/chat/completions",
        f"Authorization: Bearer {key}",
        sent=json.dumps(chat(stream=stream, model=model)).encode(),
    )


async def _provoke(server: Proxy | Process, upstream: FakeUpstream) -> bytes:
    """Let everything go wrong that can; return every byte that clients got."""
    seen = b""

    async def told(sent: bytes) -> None:
        nonlocal seen
        got = await _all_bytes(RawClient(*await asyncio.open_connection("127.0.0.1", server.port)), sent)
        assert got.startswith(b"HTTP/1."), sent
        seen += got

    upstream.models(error(401, {"error": {"message": f"{UPSTREAM} {HEADER} {QUERY}"}}))
    for name in _FAULTS:
        upstream.on(lambda seen, name=name: _faults(seen)[name])  # type: ignore[misc]
        for model in ("m", "env/x", "sdk/x"):
            for stream in (True, False):
                await told(_asking(model, stream=stream))
    for model in ("refused/x", "tls/x", "nowhere/x", "unknown"):
        for stream in (True, False):
            await told(_asking(model, stream=stream))
    upstream.script(reply())
    await told(_asking("m", stream=True))
    for path in ("/v1/models", "/v1/models/m", "/metrics", "/openapi.json", "/", "/health", "/ready", "/nothing"):
        await told(_request("GET", path, f"x-api-key: {CLIENT}"))
        await told(_request("GET", f"{path}?key={CLIENT}", f"x-api-key: {WRONG}", f"Cookie: llms_session={WRONG}"))
    await told(_asking("m", stream=True, key=WRONG))
    await told(_request("POST", "/api/session", sent=f'{{"key": "{CLIENT}"}}'.encode()))
    await told(_request("POST", "/api/session", sent=f'{{"key": "{WRONG}"}}'.encode()))
    await told(_request("GET", "/v1/models", f"Authorization: Bearer {CLIENT}", "Host: evil.example"))
    await told(b"GARBAGE " + CLIENT.encode() + b"\r\n\r\n")
    return seen


def _assert_none(where: str, text: bytes | str) -> None:
    text = text.encode() if isinstance(text, str) else text
    assert text, f"{where} is empty"
    for secret in (UPSTREAM, HEADER, QUERY, ENVIRONMENT, CLIENT, WRONG):
        place = text.find(secret.encode())
        assert place < 0, f"{secret} in {where}: …{text[max(0, place - 200) : place + 60]!r}"


@contextmanager
def _log(stream: io.BytesIO, *, pretty: bool, known: bool) -> Iterator[RequestLog]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    secrets = (UPSTREAM, HEADER, QUERY, ENVIRONMENT, CLIENT) if known else ()
    try:
        yield RequestLog(configure(level="debug", pretty=pretty, stream=stream, redactor=Redactor(secrets)))
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


@pytest.mark.parametrize(
    ("pretty", "known"), [(False, True), (True, True), (False, False)], ids=["JSON", "pretty", "nothing to redact"]
)
async def test_no_secret_leaves_whatever_goes_wrong(pretty: bool, known: bool) -> None:
    written = io.BytesIO()
    async with FakeUpstream() as upstream, _closed_port() as port:
        with _log(written, pretty=pretty, known=known) as request_log:
            async with serving(_text(upstream, port), environ={"PLANTED_KEY": ENVIRONMENT}) as proxy:
                proxy.engine._observers.append(request_log)
                seen = await _provoke(proxy, upstream)
                _assert_none("the events", repr(proxy.events))
                _assert_none("the configuration", repr(proxy.engine.services.config))
                _assert_none("the fleet", repr(proxy.engine.gateway.fleet))
                _assert_none("the settings", repr(_settings(proxy)))
        sent = "".join(f"{request.headers}{request.path}" for request in upstream.requests)
    _assert_none("the answers", seen)
    _assert_none("the log", written.getvalue())
    assert b"Traceback" not in written.getvalue()
    assert all(secret in sent for secret in (UPSTREAM, HEADER, QUERY, ENVIRONMENT)), "the keys were never used"
    assert CLIENT not in sent


def _settings(proxy: Proxy) -> list[object]:
    members = proxy.engine.gateway.fleet.members.values()
    return [getattr(member.provider, "_settings", None) for member in members]


async def test_no_secret_leaves_a_server_or_a_command(tmp_path: Path) -> None:
    environ = {"PLANTED_KEY": ENVIRONMENT}
    async with FakeUpstream() as upstream, _closed_port() as port:
        text = _text(upstream, port)
        async with running(text, tmp_path, "--log-level", "debug", environ=environ) as server:
            _assert_none("the answers", await _provoke(server, upstream))
            server.configure(text.replace("real-model", "other-model").replace(HEADER, WRONG))
            server.signal(signal.SIGHUP)
            await server.logged("configuration in force")
            server.configure(text + f"server: {{prot: {CLIENT}}}\n")
            server.signal(signal.SIGHUP)
            await server.logged("configuration not changed: the file has problems")
            server.configure(text)
            for command in (
                ("config", "show"),
                ("config", "check"),
                ("providers",),
                ("models",),
                ("explain", "m"),
                ("check",),
                ("doctor",),
            ):
                _assert_none(" ".join(command), await _command(tmp_path, *command))
            server.signal(signal.SIGTERM)
            assert await server.ended() == 0
            _assert_none("what it printed", server.printed)
            _assert_none("the log", server.log)
            assert "Traceback" not in server.log
            for path in (tmp_path / "data").iterdir():
                _assert_none(path.name, path.read_bytes() or b"-")


async def _command(folder: Path, *arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "llms", *arguments),
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "LLMS_DATA_DIR": str(folder), "PLANTED_KEY": ENVIRONMENT},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        told, _ = await process.communicate()
    assert b"See python -m llms" not in told, told
    return told or b"(nothing)"
