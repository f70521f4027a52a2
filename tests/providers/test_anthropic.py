"""Anthropic's API beyond the contract: headers, models, and what models refuse."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from llms.protocol.errors import UpstreamRejected
from llms.providers import registry
from llms.providers.discover import from_environment
from llms.testing import messages
from llms.testing.fake_upstream import FakeUpstream, body
from tests.providers.anthropic_scripts import AnthropicScripts, text_reply

REFUSED = messages.failure(400, "invalid_request_error", "`temperature` is deprecated for this model.")


@contextlib.asynccontextmanager
async def ready(**options: Any) -> AsyncGenerator[tuple[AnthropicScripts, Any, FakeUpstream]]:
    setup = AnthropicScripts()
    setup.options = options
    async with setup.ready() as (provider, upstream):
        yield setup, provider, upstream


class TestHeaders:
    async def test_a_key(self) -> None:
        async with ready(betas=["a", "b"], headers={"X-More": "1"}) as (setup, provider, upstream):
            setup.script_text(upstream, "Hi")
            await setup.ask(provider)
            sent = upstream.chats[0].headers

        assert (sent["x-api-key"], sent["anthropic-version"], sent["anthropic-beta"]) == (
            setup.key,
            "2023-06-01",
            "a,b",
        )
        assert (sent["x-more"], "authorization" in sent) == ("1", False)

    async def test_a_token(self) -> None:
        async with ready(auth_token="oat-planted") as (setup, provider, upstream):
            setup.script_text(upstream, "Hi")
            await setup.ask(provider)
            sent = upstream.chats[0].headers

        assert (sent["authorization"], "x-api-key" in sent) == ("Bearer oat-planted", False)
        assert sent["anthropic-beta"] == "oauth-2025-04-20"


class TestModels:
    async def test_all_pages_are_read(self) -> None:
        def page(seen: Any) -> Any:
            later = "after_id=claude-a" in seen.path
            row = {"type": "model", "id": "claude-b" if later else "claude-a", "created_at": "2026-01-01T00:00:00Z"}
            return body({"data": [row], "has_more": not later, "last_id": row["id"]})

        async with ready() as (_, provider, upstream):
            upstream.answer_to = page
            listed = await provider.models()
            paths = [seen.path for seen in upstream.requests]

        assert [(model.id, model.created) for model in listed] == [("claude-a", 1767225600), ("claude-b", 1767225600)]
        assert paths == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=claude-a"]

    async def test_what_the_list_tells_of_a_model_counts(self) -> None:
        thinking = {"thinking": {"types": {"adaptive": {"supported": False}}}}
        row = {"id": "claude-opus-9", "max_tokens": 20_000, "capabilities": thinking}
        async with ready() as (setup, provider, upstream):
            upstream.models(body({"data": [row], "has_more": False}))
            await provider.models()
            setup.script_text(upstream, "Hi")
            setup.model = "claude-opus-9"  # type: ignore[misc]
            await setup.ask(provider, more={"reasoning_effort": "low"})
            sent = upstream.chats[0].json

        assert sent["thinking"] == {"type": "enabled", "budget_tokens": 2048}
        assert sent["max_tokens"] == 22_048

    async def test_the_row_bounds_answers(self) -> None:
        async with ready(max_tokens=77) as (setup, provider, upstream):
            setup.script_text(upstream, "Hi")
            await setup.ask(provider)

            assert upstream.chats[0].json["max_tokens"] == 77


class TestRefusals:
    async def test_a_model_that_takes_no_temperature_is_asked_without(self) -> None:
        async with ready() as (setup, provider, upstream):
            upstream.script(REFUSED, text_reply("Hi"))
            for _ in range(2):
                await setup.ask(provider, more={"temperature": 0.7})
            sent = [seen.json.get("temperature") for seen in upstream.chats]

        assert sent == [0.7, None, None]

    async def test_a_refusal_of_something_else_stays(self) -> None:
        async with ready() as (setup, provider, upstream):
            upstream.script(messages.failure(400, "invalid_request_error", "max_tokens: too large"))
            with pytest.raises(UpstreamRejected, match="too large"):
                await setup.ask(provider, more={"temperature": 0.7})

            assert len(upstream.chats) == 1

    async def test_a_stop_sequence_is_told(self) -> None:
        told = messages.stream(messages.start(), messages.message_event("stop_sequence", sequence="END"), messages.STOP)
        async with ready() as (setup, provider, upstream):
            upstream.script(told)
            (choice,) = setup.fold(await setup.ask(provider))["choices"]

        assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "END")


def test_a_key_in_the_environment_is_enough() -> None:
    (found,) = from_environment({"ANTHROPIC_API_KEY": "sk-ant", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9"})
    options = registry.parse(found.type, found.options)

    assert (found.type, options.base_url) == ("anthropic", "http://127.0.0.1:9/v1")  # type: ignore[attr-defined]
    assert registry.location("anthropic") == "llms.providers.anthropic:Anthropic"
