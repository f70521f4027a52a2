"""The OpenAPI document on embeddings and prompts: it takes what the server takes, and describes what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema  # type: ignore[import-untyped]
import pytest

from llms.protocol.dialects.completions.dialect import CompletionsDialect
from llms.protocol.dialects.generate import GenerateDialect
from llms.protocol.dialects.responses.asked import read
from llms.protocol.dialects.responses.translation import translate
from llms.protocol.embeddings import parse_embeddings
from llms.protocol.errors import LlmsError
from llms.testing.fake_upstream import FakeUpstream, Script, close, error, text_stream, whole
from tests.server.test_openapi import DOCUMENT, EVERYWHERE, SCHEMAS, TRANSPORT, check, events_of, problems, running
from tests.vectors import embedder

VALUES: list[Any] = [
    *(None, True, -1, 0, 1, 2.5, "", "x", "float", "base64", {}, {"a": 1}),
    *([], ["x"], [""], ["x", 1], [1], [-1], [1, "x"], [True], [None], [[1]], [[]], [[1], []], [[1], "x"], [["x"]]),
    *(["x"] * 2048, ["x"] * 2049, [[1]] * 2049, [1] * 3000),
]
BODIES: dict[str, dict[str, Any]] = {
    "EmbeddingRequest": {"model": "m", "input": "x"},
    "GenerateRequest": {"prompt": "x", "model": "m"},
    "CompletionRequest": {"prompt": "x", "model": "m"},
    "ResponseRequest": {"model": "m", "input": "x"},
}
PROMPT = GenerateDialect(default_model=lambda: "m")


def _generate(raw: bytes) -> Any:
    return PROMPT.parse(raw, request_id="", hops=0, stream=False)


def _complete(raw: bytes) -> Any:
    return CompletionsDialect().parse(raw, request_id="", hops=0, stream=None)


def _respond(raw: bytes) -> Any:
    return translate(read(raw, response_id="resp_0f"))


READERS: dict[str, Callable[[bytes], Any]] = {
    "EmbeddingRequest": parse_embeddings,
    "GenerateRequest": _generate,
    "CompletionRequest": _complete,
    "ResponseRequest": _respond,
}


def _bodies(name: str) -> Iterator[dict[str, Any]]:
    base = BODIES[name]
    fields = [*DOCUMENT["components"]["schemas"][name]["properties"], "messages", "x_other"]
    for field in fields:
        yield {key: value for key, value in base.items() if key != field}
        for value in VALUES:
            yield {**base, field: value}


@pytest.mark.parametrize("name", BODIES)
def test_the_schema_takes_what_the_server_takes(name: str) -> None:
    schema = jsonschema.Draft202012Validator({"$ref": f"doc:#/components/schemas/{name}"}, registry=SCHEMAS)
    taken, refused, disputed = 0, 0, []
    for body in _bodies(name):
        is_taken = _is_taken(name, body)
        if schema.is_valid(body) != is_taken:
            disputed.append(body)
        taken, refused = taken + is_taken, refused + (not is_taken)
    assert disputed == []
    assert taken > 40
    assert refused > 40


def _is_taken(name: str, body: dict[str, Any]) -> bool:
    try:
        READERS[name](json.dumps(body).encode())
    except LlmsError:
        return False
    return True


@pytest.mark.parametrize(
    ("request_body", "name"),
    [
        ("Embeddings", "EmbeddingRequest"),
        ("Generate", "GenerateRequest"),
        ("Completion", "CompletionRequest"),
        ("Response", "ResponseRequest"),
    ],
)
def test_examples_of_requests_are_taken(request_body: str, name: str) -> None:
    content = DOCUMENT["components"]["requestBodies"][request_body]["content"]["application/json"]

    for example in content["examples"].values():
        assert _is_taken(name, example["value"])


def test_examples_of_events_are_as_described() -> None:
    for example in DOCUMENT["components"]["schemas"]["GenerateEvent"]["examples"]:
        assert not problems("GenerateEvent", example)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings"])
@pytest.mark.parametrize("form", ["float", "base64"])
async def test_embeddings_are_as_described(path: str, form: str) -> None:
    sent = {"model": "up/fake-model", "input": ["a", "b"], "encoding_format": form}
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.on(embedder())
        async with client.post(path, json=sent) as answer:
            assert answer.status == 200
            await check(answer, "POST", path)
        async with client.post(path, json={**sent, "model": "echo/echo"}) as answer:
            assert answer.status == 200
            await check(answer, "POST", path)


@pytest.mark.parametrize("path", ["/v1/completions", "/completions"])
async def test_a_completion_is_as_described(path: str) -> None:
    sent = {"model": "up/fake-model", "prompt": ["a", "b"], "logprobs": 1}
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(whole())
        async with client.post(path, json=sent) as answer:
            assert answer.status == 200
            await check(answer, "POST", path)


async def test_a_stream_of_a_completion_is_as_described() -> None:
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(text_stream())
        sent = {"model": "up/fake-model", "prompt": "x", "stream": True}
        async with client.post("/v1/completions", json=sent) as answer:
            found = [json.loads(data) for data in events_of(await answer.read()) if data != b"[DONE]"]

    assert found
    for item in found:
        assert not problems("Completion", item)


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/images/generations", "/v1/moderations", "/rerank"])
async def test_what_is_passed_on_is_as_described(path: str) -> None:
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(whole())
        async with client.post(path, json={"model": "up/fake-model"}) as answer:
            assert answer.status == 200
            await check(answer, "POST", path)
        async with client.get("/v1/files") as answer:
            assert answer.status == 200
            await check(answer, "GET", "/v1/files")


FAILURES: list[tuple[int, Script]] = [(400, error(400)), (429, error(429)), (502, error(401)), (500, error(500))]


@pytest.mark.parametrize(
    "path", ["/v1/embeddings", "/generate", "/generate/stream", "/v1/completions", "/v1/responses"]
)
@pytest.mark.parametrize(("status", "script"), FAILURES, ids=range(len(FAILURES)))
async def test_a_failure_is_as_described(path: str, status: int, script: Script) -> None:
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(script)
        sent = (
            {"model": "up/fake-model", "prompt": "x"}
            if "generate" in path or "completions" in path
            else {"model": "up/fake-model", "input": "x"}
        )
        async with client.post(path, json=sent) as answer:
            assert answer.status == status
            await check(answer, "POST", path)


async def test_a_generated_text_is_as_described() -> None:
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(whole())
        async with client.post("/generate", json={"prompt": "x", "model": "up/fake-model"}) as answer:
            assert answer.status == 200
            await check(answer, "POST", "/generate")


@pytest.mark.parametrize(
    "script",
    [text_stream(), text_stream(usage=False), text_stream().first(2).then(close())],
    ids=["usage", "none", "broken"],
)
async def test_a_generated_stream_is_as_described(script: Script) -> None:
    described = DOCUMENT["components"]["responses"]["GeneratedStream"]
    async with FakeUpstream() as upstream, running(upstream=upstream.url) as client:
        upstream.script(script)
        async with client.post("/generate/stream", json={"prompt": "x", "model": "up/fake-model"}) as answer:
            found = [json.loads(data) for data in events_of(await answer.read())]
    known = {name.lower() for name in described["headers"]} | TRANSPORT | EVERYWHERE

    assert {name.lower() for name in answer.headers} <= known
    assert found
    for item in found:
        assert not problems("GenerateEvent", item)


async def test_responses_are_as_described(tmp_path: Path) -> None:
    sent = {"model": "up/fake-model", "input": "x"}
    async with (
        FakeUpstream() as upstream,
        running(f"server: {{data_dir: '{tmp_path}'}}", upstream=upstream.url) as client,
    ):
        async with client.post("/v1/responses", json=sent) as answer:
            made = await check(answer, "POST", "/v1/responses")
        async with client.post("/v1/responses", json={**sent, "background": True}) as answer:
            begun = await check(answer, "POST", "/v1/responses")
        for method, rest, response_id in (
            ("GET", "", made["id"]),
            ("GET", "/input_items", made["id"]),
            ("POST", "/cancel", begun["id"]),
            ("POST", "/cancel", made["id"]),
            ("DELETE", "", made["id"]),
            ("GET", "", made["id"]),
        ):
            async with client.request(method, f"/v1/responses/{response_id}{rest}") as answer:
                await check(answer, method, f"/v1/responses/{{id}}{rest}")
        async with client.get(f"/v1/responses/{begun['id']}?stream=true") as answer:
            await check_stream(answer)
        async with client.post("/v1/responses", json={**sent, "stream": True}) as answer:
            await check_stream(answer)


async def check_stream(answer: aiohttp.ClientResponse) -> None:
    assert answer.status == 200
    events = [json.loads(data) for data in events_of(await answer.read())]
    assert events
    assert not [fault for event in events for fault in problems("ResponseEvent", event)]
