"""What a provider's answers must be: whole, in order, apart from each other, nothing lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llms.protocol import json
from llms.protocol.chat import CompletionObject
from llms.providers.base import Provider
from llms.testing.answers import CALLS, Answer
from llms.testing.contract.scripts import UNKNOWN
from llms.testing.contract.setup import Setup, needs, objects_of
from llms.testing.plain_client import calls_of, check_stream, finishes_of, reasoning_of, text_of

CHATS_AT_ONCE = 50
TEXT = 'Grüße 🎈 from the\nupstream, "quoted"  '


class Answers(Setup):
    """Streams and whole answers that go well."""

    async def test_a_stream_has_chunks_and_ends_with_a_finish_reason(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, TEXT)
            chunks = await self.ask(provider, TEXT)

        assert objects_of(chunks), "the stream had no chunk"
        seen = self.conformed(chunks)
        check_stream(seen, include_usage=True)
        if self.says_what_is_scripted:
            assert text_of(seen) == TEXT

    async def test_the_bytes_of_a_chunk_are_its_objects(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, TEXT)
            chunks = [*await self.ask(provider, TEXT), *await self.ask(provider, TEXT, stream=False)]

        for chunk in chunks:
            for item, payload in zip(chunk.objects, chunk.payloads(), strict=True):
                assert json.loads(payload) == item, f"{payload!r} is not {item!r}"
                assert b"\n" not in payload or chunk.objects[0].get("object") == "chat.completion"

    async def test_streamed_and_whole_text_folds_to_the_same(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, TEXT)
            await self._fold_to_the_same(provider)

    @needs("has_tools")
    async def test_streamed_and_whole_tool_calls_fold_to_the_same(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_tools(upstream)
            await self._fold_to_the_same(provider)

    @needs("has_reasoning")
    async def test_streamed_and_whole_reasoning_folds_to_the_same(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_reasoning(upstream, "Let me see.", TEXT)
            await self._fold_to_the_same(provider)

    async def _fold_to_the_same(self, provider: Provider) -> None:
        streamed = self.fold(await self.ask(provider, TEXT))
        whole = self.fold(await self.ask(provider, TEXT, stream=False))
        assert _gist(streamed) == _gist(whole)

    @needs("speaks_http", "keeps_unknown_fields")
    @pytest.mark.parametrize("stream", [True, False])
    async def test_unknown_fields_survive(self, stream: bool) -> None:
        async with self.ready() as (provider, upstream):
            self.script_unknown(upstream)
            whole = self.fold(await self.ask(provider, stream=stream, more={"x_asked": [1]}))

        (choice,) = whole["choices"]
        found = {
            "x_top": whole.get("x_top"),
            "x_choice": choice.get("x_choice"),
            "x_delta": choice["message"].get("x_delta"),
            "x_usage": (whole.get("usage") or {}).get("x_usage"),
        }
        assert found == UNKNOWN
        assert upstream.chats[0].json["x_asked"] == [1], "a field of the request was lost"

    @needs("tells_usage")
    async def test_usage_is_told_by_the_end(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, TEXT)
            streamed = self.fold(await self.ask(provider, TEXT)).get("usage") or {}
            whole = self.fold(await self.ask(provider, TEXT, stream=False)).get("usage") or {}

        assert streamed.get("completion_tokens", 0) > 0, f"usage of the stream: {streamed!r}"
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            assert streamed.get(name) == whole.get(name)

    @needs("speaks_http", "has_tools")
    async def test_tool_calls_assemble(self) -> None:
        calls = (*CALLS, ("now", "{}"))
        async with self.ready() as (provider, upstream):
            self.script_tools(upstream, calls)
            seen = self.conformed(await self.ask(provider))

        made = calls_of(seen)
        assert [(call["name"], json.loads(call["arguments"].encode())) for call in made] == [
            (name, json.loads(arguments.encode())) for name, arguments in calls
        ]
        assert len({call["id"] for call in made}) == len(calls)
        assert finishes_of(seen) == ["tool_calls"]

    @needs("speaks_http", "has_reasoning")
    async def test_reasoning_stays_apart_from_the_text(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_reasoning(upstream, "Let me see.", TEXT)
            seen = self.conformed(await self.ask(provider))

        assert (reasoning_of(seen), text_of(seen)) == ("Let me see.", TEXT)

    @needs("speaks_http")
    async def test_a_character_split_over_packets_stays_whole(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, "é🎈")
            upstream.recast(Answer.bytewise)
            streamed = self.fold(await self.ask(provider, "é🎈"))
            whole = self.fold(await self.ask(provider, "é🎈", stream=False))

        for answer in (streamed, whole):
            assert answer["choices"][0]["message"]["content"] == "é🎈"

    @needs("speaks_http")
    async def test_events_that_arrive_together_are_read_apart(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, TEXT)
            upstream.recast(Answer.joined)
            seen = self.conformed(await self.ask(provider, TEXT))

        assert text_of(seen) == TEXT

    @needs("says_what_is_scripted")
    async def test_many_chats_at_once_do_not_mix(self) -> None:
        texts = [f"chat number {number} says {number * number}" for number in range(CHATS_AT_ONCE)]
        async with self.ready() as (provider, upstream):
            self.script_echo(upstream)
            answers = await asyncio.gather(*(self.ask(provider, text) for text in texts))

        assert [self.fold(chunks)["choices"][0]["message"]["content"] for chunks in answers] == texts

    @needs("speaks_http")
    async def test_the_upstream_is_asked_for_the_model_and_the_message(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, TEXT)
            await self.ask(provider, TEXT)

        assert self.asked(upstream.chats[0]) == (self.model, TEXT)

    @needs("speaks_http")
    async def test_an_end_that_was_not_marked_is_an_end(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_unfinished_ending(upstream, TEXT)
            seen = self.conformed(await self.ask(provider))

        assert text_of(seen) == TEXT

    @needs("speaks_http", "skips_malformed")
    async def test_malformed_events_are_left_out_and_counted(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_malformed(upstream)
            chunks = await self.ask(provider)

        assert text_of(self.conformed(chunks)) == "abcdef"
        assert sum(chunk.skipped for chunk in chunks) > 0, "the malformed events were not counted"

    async def test_models_are_listed(self) -> None:
        async with self.ready() as (provider, upstream):
            if self.lists_upstream_models:
                self.script_models(upstream, ["m-1", "org/m-2"])
            listed = await provider.models()

        ids = [model.id for model in listed]
        assert len(set(ids)) == len(ids), f"model ids are not unique: {ids}"
        assert all(ids)
        if self.lists_upstream_models:
            assert ids == ["m-1", "org/m-2"]


def _gist(completion: CompletionObject) -> dict[str, Any]:
    """Return what must be equal however it was asked for: all but ids and times."""
    (choice,) = completion["choices"]
    message = choice["message"]
    return {
        "content": message.get("content"),
        "reasoning": message.get("reasoning_content") or message.get("reasoning"),
        "calls": [
            (call["function"]["name"], json.loads(call["function"]["arguments"].encode()))
            for call in message.get("tool_calls") or ()
        ],
        "finish": choice["finish_reason"],
        "model": completion["model"],
    }
