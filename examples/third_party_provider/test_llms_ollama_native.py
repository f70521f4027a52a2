"""The contract of all providers, said in Ollama's dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llms_ollama_native import OllamaNative, Options

from llms.protocol.errors import NotSupported, UpstreamProtocolError
from llms.providers.base import ProviderSettings
from llms.testing.answers import answer, body, error
from llms.testing.contract import ProviderContract
from llms.testing.contract.setup import objects_of
from llms.testing.plain_client import reasoning_of
from llms.testing.steps import head, raw

LINES = head(200, {"Content-Type": "application/x-ndjson"})
DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 5}


def line(text: str, **more: Any) -> Any:
    told = {"model": "fake-model", "message": {"role": "assistant", "content": text}, "done": False, **more}
    return raw(json.dumps(told, ensure_ascii=False).encode() + b"\n")


def said(text: str) -> Any:
    """Return what says a text the way it was asked."""
    words = [line(word) for word in text.replace(" ", " \0").split("\0")]
    streamed = answer(LINES, *words, line("", **DONE))
    return lambda seen: streamed if seen.json.get("stream") else answer(LINES, line(text, **DONE))


class TestContract(ProviderContract):
    has_tools = has_reasoning = keeps_unknown_fields = skips_malformed = lists_upstream_models = False

    async def provider(self, upstream):
        options = Options(base_url=upstream.url, api_key=self.key)
        return OllamaNative(ProviderSettings("mine", "ollama_native", options), self.resources)

    def script_text(self, upstream, text):
        upstream.script(said(text))

    def script_echo(self, upstream):
        upstream.on(lambda seen: said(seen.json["messages"][-1]["content"])(seen))

    def script_begun(self, upstream, pieces, *last):
        upstream.script(answer(LINES, *map(line, pieces)).then(*last))

    def script_unfinished_ending(self, upstream, text):
        upstream.script(answer(LINES, line(text), raw(json.dumps({"message": {}, **DONE}).encode())))

    def script_error(self, upstream, status, headers=None, *, message="no luck"):
        upstream.script(error(status, {"error": message}, headers))

    def script_error_event(self, upstream, pieces, message):
        failure = raw(json.dumps({"error": message}).encode() + b"\n")
        upstream.script(answer(LINES, *map(line, pieces), failure))

    def script_overflow(self, upstream):
        upstream.script(error(400, {"error": "the prompt is longer than the maximum context length of 8 tokens"}))

    async def test_models_are_listed(self):
        async with self.ready() as (provider, upstream):
            upstream.script(body({"models": [{"name": "qwen3:4b"}]}), body({"models": 5}))
            assert [model.id for model in await provider.models()] == ["qwen3:4b"]
            with pytest.raises(UpstreamProtocolError):
                await provider.models()

    async def test_thinking_is_reasoning(self):
        async with self.ready() as (provider, upstream):
            thought = line("", message={"role": "assistant", "content": "", "thinking": "hm"})
            upstream.script(answer(LINES, thought, line("yes", **DONE)))
            assert reasoning_of(objects_of(await self.ask(provider))) == "hm"

    async def test_tools_are_refused_before_anything_is_sent(self):
        async with self.ready() as (provider, upstream):
            with pytest.raises(NotSupported):
                await self.ask(provider, more={"tools": [{"type": "function", "function": {"name": "now"}}]})
            assert upstream.chats == []
