"""llama-index's agents on its model for servers that are like OpenAI."""

from __future__ import annotations

import story
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.llms.openai_like import OpenAILike
from story import Told


async def chat(url: str, model: str) -> Told:
    """Run an agent on chat completions."""
    llm = OpenAILike(
        model=model,
        api_base=f"{url}/v1",
        api_key="none",
        is_chat_model=True,
        is_function_calling_model=True,
        context_window=8192,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )
    running = FunctionAgent(tools=[story.get_weather, story.get_time], llm=llm).run(story.QUESTION)
    asked = answered = 0
    async for event in running.stream_events():
        usage = event.raw.get("usage") if isinstance(event, AgentStream) and event.raw else None
        asked += usage["prompt_tokens"] if usage else 0
        answered += usage["completion_tokens"] if usage else 0
    return Told(str(await running), (asked, answered), "")


if __name__ == "__main__":
    story.main([chat])
