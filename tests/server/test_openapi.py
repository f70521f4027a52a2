"""The OpenAPI document: it tells every route and no other, and the running server answers as it says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema  # type: ignore[import-untyped]
import pytest
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from yarl import URL

import llms
import llms.server
from llms.app import SERVICES, create_app
from llms.config.load import loads
from llms.config.model import Config
from llms.protocol.errors import LlmsError
from llms.protocol.parse import parse_chat
from llms.protocol.sse import Decoder
from llms.providers import registry
from llms.server.ui import SECURITY_HEADERS
from llms.testing.fake_upstream import (
    FakeUpstream,
    Script,
    cut,
    error,
    event,
    reasoning_stream,
    stall,
    text_stream,
    tool_stream,
    whole,
    whole_tools,
)
from llms.testing.fake_upstream import (
    answer as scripted,
)

DOCUMENT = json.loads((Path(llms.server.__file__).parent / "openapi.json").read_text())
SCHEMAS = Registry().with_resource("doc:", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012))
EVERYWHERE = {"server", "x-content-type-options", "vary"}
TRANSPORT = {"content-type", "content-encoding", "content-length", "transfer-encoding", "date", "connection"}
CATCH_ALL = "/{path}"
HELLO = {"model": "echo/echo", "messages": [{"role": "user", "content": "one two"}]}
ASKED = {"model": "up/fake-model", "messages": [{"role": "user", "content": "hi"}]}

Client = TestClient[Any, Any]


@asynccontextmanager
async def running(more: str = "", *, upstream: str = "http://127.0.0.1:9/v1") -> AsyncGenerator[Client, None]:
    """Serve an echo provider and one with an upstream; `more` are further lines of providers.yaml."""
    text = f"""
providers:
  echo: {{type: echo}}
  up: {{type: openai_compatible, base_url: "{upstream}", api_key: planted-key, retries: 0, models: [fake-model]}}
stores: {{usage: none}}
{more}
"""
    config = loads(text, filename="providers.yaml", environ={}, validate_options=registry.validate)
    async with TestClient(TestServer(create_app(config, environ={}))) as client:
        yield client


def resolved(item: Mapping[str, Any]) -> Any:
    """Return what a reference inside the document leads to, or the item itself."""
    while "$ref" in item:
        target: Any = DOCUMENT
        for step in item["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        item = target
    return item


def problems(schema: Mapping[str, Any] | str, value: Any) -> list[str]:
    """Return what is wrong with a value by a schema of the document, given whole or by its name."""
    name = schema if isinstance(schema, str) else schema["$ref"].rpartition("/")[2] if "$ref" in schema else None
    found: Any = {"$ref": f"doc:#/components/schemas/{name}"} if name else schema
    validator = jsonschema.Draft202012Validator(found, registry=SCHEMAS)
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def events_of(body: bytes) -> list[bytes]:
    decoder = Decoder()
    return [data for _, data in [*decoder.feed(body), *decoder.close()]]


def check_events(body: bytes) -> list[dict[str, Any]]:
    """Assert that each event of a stream is as described; return them all but `[DONE]`."""
    found = [json.loads(data) for data in events_of(body) if data != b"[DONE]"]
    assert found
    for item in found:
        assert not problems("ChatStreamEvent", item)
    return found


async def check(answer: aiohttp.ClientResponse, method: str, path: str) -> Any:
    """Assert that an answer has a described status, headers, type and body; return the decoded body."""
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    described = resolved(responses.get(str(answer.status), responses.get("default", {})))
    assert described, f"{answer.status} is not described"
    known = {name.lower() for name in described.get("headers", {})} | TRANSPORT | EVERYWHERE
    known |= {name.lower() for name in SECURITY_HEADERS} | {"cache-control"} if "page" in _tags(method, path) else set()
    assert {name.lower() for name in answer.headers} <= known
    body = await answer.read()
    if "content" not in described:
        assert body == b""
        return None
    kinds = described["content"]
    media = kinds.get(answer.content_type) or kinds.get("*/*")
    assert media is not None, f"{answer.content_type} is not described"
    if answer.content_type == "text/event-stream":
        return check_events(body)
    if answer.content_type != "application/json":
        return body.decode()
    value = json.loads(body)
    assert not problems(media["schema"], value)
    return value


def _tags(method: str, path: str) -> list[str]:
    tags: list[str] = DOCUMENT["paths"][path][method.lower()]["tags"]
    return tags


def test_every_route_is_described_and_no_other() -> None:
    app = create_app(Config(), environ={})
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.resource.canonical != CATCH_ALL and route.method != "HEAD"
    }

    assert served == {(method, path) for method, path, _ in operations()}


def test_the_document_is_valid_openapi() -> None:
    assert [str(fault) for fault in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_the_document_has_the_version_of_the_package() -> None:
    assert DOCUMENT["info"]["version"] == llms.__version__


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p, _ in operations() if f"/v1{p}" in DOCUMENT["paths"]])
def test_routes_without_v1_are_described_as_their_twins(method: str, path: str) -> None:
    bare = DOCUMENT["paths"][path][method.lower()]
    twin = DOCUMENT["paths"][f"/v1{path}"][method.lower()]

    assert bare.get("requestBody") == twin.get("requestBody")
    assert bare["responses"]["200"] == twin["responses"]["200"]


async def test_routes_without_security_are_those_that_need_no_key() -> None:
    async with running("keys: {required: true, static: [secret-of-a-caller]}") as client:
        for method, path, operation in operations():
            async with client.request(method, path.replace("{id}", "x").replace("{path}", "theme.js")) as answer:
                is_open = answer.status != 401
            assert is_open == (operation.get("security") == []), f"{method} {path}"


def test_error_types_are_those_of_the_error_classes() -> None:
    described = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["type"]["enum"]

    assert set(described) == {LlmsError.type} | {kind.type for kind in _subclasses(LlmsError)}


def _subclasses(kind: type[LlmsError]) -> Iterator[type[LlmsError]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("llms."):
            yield each
            yield from _subclasses(each)


# -- the examples of the document ---------------------------------------------------------------------------


def _examples(item: Any) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield media type, media object and value of every example in a part of the document."""
    for name, child in item.items() if isinstance(item, dict) else ():
        if "/" in name and isinstance(child, dict) and "schema" in child:
            for example in child.get("examples", {}).values():
                yield name, child, example["value"]
        else:
            yield from _examples(child)


def test_examples_hold_their_own_schemas() -> None:
    found = list(_examples(DOCUMENT))

    assert len(found) > 8
    for kind, media, value in found:
        if kind == "text/event-stream":
            check_events(value.encode())
        else:
            assert not problems(media["schema"], value)


def test_examples_of_streams_end_as_streams_do() -> None:
    stream = resolved(DOCUMENT["components"]["responses"]["ChatStream"])
    examples = stream["content"]["text/event-stream"]["examples"]
    whole_one, broken = (events_of(examples[name]["value"].encode()) for name in ("whole", "broken"))

    assert whole_one[-1] == b"[DONE]"
    assert "error" in json.loads(broken[-1])


def test_examples_of_requests_are_taken() -> None:
    for example in DOCUMENT["components"]["requestBodies"]["Chat"]["content"]["application/json"]["examples"].values():
        assert parse_chat(json.dumps(example["value"]).encode()).model == example["value"]["model"]


# -- what is described is what is taken ---------------------------------------------------------------------

VALUES: list[Any] = [None, True, -1, 0, 1, 2.5, "", "x", [], ["x"], [1], [None], [{}], {}, {"name": "x"}, {"url": "x"}]
REQUEST = DOCUMENT["components"]["schemas"]["ChatCompletionRequest"]["properties"]
USER = {"role": "user", "content": "x"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _bodies() -> Iterator[dict[str, Any]]:
    """Yield bodies that are right but for one value, in every place that is described."""
    base = {"model": "m", "messages": [USER]}
    for value in VALUES:
        for name in REQUEST:
            yield {**base, name: value}
        for name in ("role", "content", "name", "refusal", "tool_call_id", "tool_calls", "function_call", "audio"):
            yield {**base, "messages": [USER, {**USER, name: value}]}
        for name in ("id", "type", "function"):
            yield {**base, "messages": [{"role": "assistant", "tool_calls": [{**CALL, name: value}]}]}
        for name in ("name", "arguments"):
            call = {"type": "function", "function": {"name": "f", name: value}}
            yield {**base, "messages": [{"role": "assistant", "tool_calls": [call]}]}
        for name in ("name", "description", "parameters", "strict"):
            yield {**base, "tools": [{"type": "function", "function": {"name": "f", name: value}}]}
            yield {**base, "functions": [{"name": "f", name: value}]}
        for name in ("type", "function"):
            yield {**base, "tools": [{"type": "function", "function": {"name": "f"}, name: value}]}
        for kind in ("text", "refusal", "image_url", "input_audio", "file", "else"):
            yield {**base, "messages": [{"role": "user", "content": [{"type": kind, kind: value}]}]}
            yield {**base, "messages": [{"role": "user", "content": [{"type": kind}, {"type": value}]}]}
        yield {**base, "stream_options": {"include_usage": value}}
        yield {**base, "response_format": {"type": value}}
        yield {**base, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": value}}]}]}


def test_the_request_schema_takes_what_the_server_takes() -> None:
    schema = jsonschema.Draft202012Validator(
        {"$ref": "doc:#/components/schemas/ChatCompletionRequest"}, registry=SCHEMAS
    )
    taken, refused, disputed = 0, 0, []
    for body in _bodies():
        is_taken = _is_taken(body)
        if schema.is_valid(body) != is_taken:
            disputed.append(body)
        taken, refused = taken + is_taken, refused + (not is_taken)
    assert disputed == []
    assert taken > 200
    assert refused > 200


def _is_taken(body: dict[str, Any]) -> bool:
    try:
        parse_chat(json.dumps(body).encode())
    except LlmsError:
        return False
    return True


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_the_request_schema_requires_what_the_server_requires(missing: str) -> None:
    body = {name: value for name, value in HELLO.items() if name != missing}

    assert problems("ChatCompletionRequest", body)
    with pytest.raises(LlmsError, match=missing):
        parse_chat(json.dumps(body).encode())


# -- real answers ---------------------------------------------------------------------------------------------


async def test_a_whole_answer_is_as_described() -> None:
    async with running() as client, client.post("/v1/chat/completions", json=HELLO) as answer:
        found = await check(answer, "POST", "/v1/chat/completions")

    assert answer.status == 200
    assert found["choices"][0]["message"]["content"] == "one two"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/chat/completions/stream"])
async def test_a_stream_is_as_described(path: str) -> None:
    body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    async with running() as client, client.post(path, json=body) as answer:
        found = await check(answer, "POST", path)

    assert answer.status == 200
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["completion_tokens"] == 2


POOR = scripted(event({"choices": [{"delta": {"content": "x"}}]}), event({"choices": [{"finish_reason": "eos"}]}))
"""What the poorest upstream says of a stream; the rest is filled in."""


@pytest.mark.parametrize(
    "script",
    [
        text_stream(),
        POOR,
        tool_stream(),
        reasoning_stream(),
        text_stream("x", usage=False),
        text_stream().first(2).then(cut()),
    ],
    ids=["text", "poor", "tools", "reasoning", "no usage", "cut"],
)
async def test_a_relayed_stream_is_as_described(script: Script) -> None:
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(script)
        async with client.post("/v1/chat/completions", json={**ASKED, "stream": True}) as answer:
            found = await check(answer, "POST", "/v1/chat/completions")

    assert answer.status == 200
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"


@pytest.mark.parametrize("script", [whole(), whole_tools()], ids=["text", "tools"])
async def test_a_relayed_whole_answer_is_as_described(script: Script) -> None:
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(script)
        async with client.post("/v1/chat/completions", json=ASKED) as answer:
            await check(answer, "POST", "/v1/chat/completions")

    assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "url"),
    [
        ("GET", "/v1/models", "/v1/models"),
        ("GET", "/v1/models/{id}", "/v1/models/echo/echo"),
        ("GET", "/v1/models/{id}", "/v1/models/echo%2Fecho"),
        ("GET", "/models", "/models"),
        ("GET", "/models/{id}", "/models/echo/echo"),
        ("GET", "/health", "/health"),
        ("GET", "/ready", "/ready"),
        ("GET", "/metrics", "/metrics"),
        ("GET", "/openapi.json", "/openapi.json"),
        ("GET", "/", "/"),
        ("GET", "/ui/{path}", "/ui/theme.js"),
    ],
)
async def test_a_page_or_list_is_as_described(method: str, path: str, url: str) -> None:
    async with running() as client, client.request(method, URL(url, encoded=True)) as answer:
        await check(answer, method, path)

    assert answer.status == 200


async def test_models_are_as_described() -> None:
    async with running("models: {smart: {targets: [echo/echo]}}") as client, client.get("/v1/models") as answer:
        found = await check(answer, "GET", "/v1/models")

    assert {row["id"] for row in found["data"]} == {"smart", "echo/echo", "up/fake-model"}


async def test_a_page_that_did_not_change_is_as_described() -> None:
    async with running() as client:
        async with client.get("/") as first:
            etag = first.headers["ETag"]
        async with client.get("/", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304
            assert str(answer.status) in DOCUMENT["paths"]["/"]["get"]["responses"]


async def test_signing_in_and_out_is_as_described() -> None:
    async with running("keys: {static: [secret-of-a-caller]}") as client:
        async with client.post("/api/session", json={"key": "secret-of-a-caller"}) as answer:
            await check(answer, "POST", "/api/session")
            assert answer.status == 204
        async with client.post("/api/session", json={"key": "another"}) as answer:
            await check(answer, "POST", "/api/session")
            assert answer.status == 401
        async with client.post("/api/session", json=[]) as answer:
            await check(answer, "POST", "/api/session")
            assert answer.status == 400
        async with client.delete("/api/session") as answer:
            await check(answer, "DELETE", "/api/session")
            assert answer.status == 204


async def test_a_server_that_stops_answers_as_described() -> None:
    async with running() as client:
        client.app[SERVICES].draining = True
        for method, path in [("GET", "/ready"), ("GET", "/v1/models"), ("POST", "/v1/chat/completions")]:
            async with client.request(method, path) as answer:
                assert answer.status == 503
                await check(answer, method, path)
        async with client.get("/health") as answer:
            assert answer.status == 200


CHAT_FAILURES: list[tuple[int, dict[str, Any]]] = [
    (400, {"json": {"model": "echo/echo"}}),
    (400, {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    (400, {"json": HELLO, "headers": {"x-llms-hops": "many"}}),
    (403, {"json": HELLO, "headers": {"Host": "elsewhere.example"}}),
    (403, {"json": HELLO, "headers": {"Origin": "https://elsewhere.example"}}),
    (404, {"json": {**HELLO, "model": "nobody"}}),
    (413, {"json": {**HELLO, "user": "x" * 3000}}),
    (415, {"data": b"{}", "headers": {"Content-Type": "text/plain"}}),
    (415, {"json": HELLO, "headers": {"Content-Encoding": "gzip"}}),
    (502, {"json": ASKED}),
    (508, {"json": HELLO, "headers": {"x-llms-hops": "4"}}),
]


@pytest.mark.parametrize(("status", "request_"), CHAT_FAILURES, ids=range(len(CHAT_FAILURES)))
async def test_a_refused_chat_is_as_described(status: int, request_: dict[str, Any]) -> None:
    path = "/v1/chat/completions"
    async with running("server: {max_body: 2KiB}") as client, client.post(path, **request_) as answer:
        assert answer.status == status
        assert str(status) in DOCUMENT["paths"][path]["post"]["responses"]
        await check(answer, "POST", path)


UPSTREAM_FAILURES: list[tuple[int, Script]] = [
    (400, error(400, {"error": {"message": "maximum context length is 8", "code": "context_length_exceeded"}})),
    (403, error(403)),
    (404, error(404)),
    (409, error(409)),
    (413, error(413)),
    (422, error(422, {"detail": [{"loc": ["body", "n"], "msg": "too many"}]})),
    (429, error(429, headers={"Retry-After": "30", "x-request-id": "up-1"})),
    (429, error(429, headers={"retry-after-ms": "30500"})),
    (500, error(500)),
    (502, error(401)),
    (502, text_stream().first(0).then(cut())),
    (503, error(503, headers={"Retry-After": "30"})),
    (504, text_stream().first(0).then(stall())),
]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("status", "script"), UPSTREAM_FAILURES, ids=range(len(UPSTREAM_FAILURES)))
async def test_a_failure_of_an_upstream_is_as_described(status: int, script: Script, stream: bool) -> None:
    patience = "defaults: {timeouts: {first_chunk: 200ms, answer: 200ms}}"
    async with FakeUpstream() as upstream, running(patience, upstream=upstream.url) as client:
        upstream.script(script)
        async with client.post("/v1/chat/completions", json={**ASKED, "stream": stream}) as answer:
            assert answer.status == status
            found = await check(answer, "POST", "/v1/chat/completions")

    assert "planted-key" not in json.dumps(found)


async def test_answers_of_no_route_have_the_shape_of_errors() -> None:
    async with running() as client:
        async with client.get("/nowhere") as answer:
            assert answer.status == 404
            assert not problems("Error", await answer.json())
        async with client.get("/v1/chat/completions") as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "POST"
            assert not problems("Error", await answer.json())
