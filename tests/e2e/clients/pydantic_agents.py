"""pydantic-ai's agents on OpenAI's chat completions and responses, and on Anthropic's Messages."""

from __future__ import annotations

from typing import Any

import story
from pydantic_ai import Agent, AgentRunResultEvent
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from story import Told


async def chat(url: str, model: str) -> Told:
    """Run an agent on chat completions."""
    return await _run(OpenAIChatModel(model, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="none")), None)


async def responses(url: str, model: str) -> Told:
    """Run an agent on responses."""
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="none")
    settings = OpenAIResponsesModelSettings(openai_store=False, openai_reasoning_summary="auto")
    profile = OpenAIModelProfile(openai_supports_encrypted_reasoning_content=True)
    return await _run(OpenAIResponsesModel(model, provider=provider, profile=profile), settings)


async def messages(url: str, model: str) -> Told:
    """Run an agent on Messages, with thinking."""
    settings = AnthropicModelSettings(max_tokens=4096, anthropic_thinking={"type": "enabled", "budget_tokens": 1024})
    return await _run(AnthropicModel(model, provider=AnthropicProvider(base_url=url, api_key="none")), settings)


async def _run(model: Any, settings: Any) -> Told:
    agent = Agent(model, tools=[story.get_weather, story.get_time], model_settings=settings)
    async with agent.run_stream_events(story.QUESTION) as events:
        async for event in events:
            if isinstance(event, AgentRunResultEvent):
                result = event.result
    usage = result.usage
    parts = [part for message in result.all_messages() for part in message.parts]
    thoughts = "".join(part.content for part in parts if part.part_kind == "thinking")
    return Told(result.output, (usage.input_tokens, usage.output_tokens), thoughts)


if __name__ == "__main__":
    story.main([chat, responses, messages])
