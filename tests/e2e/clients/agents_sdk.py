"""openai-agents, with chat completions and with responses."""

from __future__ import annotations

from typing import Any

import story
from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from story import Told

TOOLS: Any = [function_tool(story.get_weather), function_tool(story.get_time)]


async def chat(url: str, model: str) -> Told:
    """Run an agent on chat completions."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        asking = OpenAIChatCompletionsModel(model, client, should_replay_reasoning_content=lambda _: True)
        return await _run(asking, ModelSettings(include_usage=True))


async def responses(url: str, model: str) -> Told:
    """Run an agent on responses."""
    settings = ModelSettings(
        store=False, response_include=["reasoning.encrypted_content"], reasoning=Reasoning(summary="auto")
    )
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        return await _run(OpenAIResponsesModel(model, client), settings)


async def _run(model: Any, settings: ModelSettings) -> Told:
    agent = Agent(name="weather", model=model, model_settings=settings, tools=TOOLS)
    running = Runner.run_streamed(agent, story.QUESTION, run_config=RunConfig(tracing_disabled=True))
    async for _ in running.stream_events():
        pass
    usage = running.context_wrapper.usage
    items = [item for item in running.to_input_list() if item.get("type") == "reasoning"]
    thoughts = "".join(part["text"] for item in items for part in item["summary"])
    return Told(str(running.final_output), (usage.input_tokens, usage.output_tokens), thoughts)


if __name__ == "__main__":
    story.main([chat, responses])
