"""LangChain's models of OpenAI, in both of its ways, and of Anthropic."""

from __future__ import annotations

from typing import Any

import story
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from story import Told

TOOLS = [tool(story.get_weather), tool(story.get_time)]


async def chat(url: str, model: str) -> Told:
    """Ask for chat completions."""
    return await _talk(ChatOpenAI(model=model, base_url=f"{url}/v1", api_key="none", stream_usage=True))


async def responses(url: str, model: str) -> Told:
    """Ask for responses, which give their reasoning along."""
    asking = ChatOpenAI(
        model=model,
        base_url=f"{url}/v1",
        api_key="none",
        use_responses_api=True,
        store=False,
        include=["reasoning.encrypted_content"],
        reasoning={"summary": "auto"},
    )
    return await _talk(asking)


async def messages(url: str, model: str) -> Told:
    """Ask for Messages, with thinking."""
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return await _talk(ChatAnthropic(model=model, base_url=url, api_key="none", max_tokens=4096, thinking=thinking))


async def _talk(model: Any) -> Told:
    said: list[Any] = [HumanMessage(story.QUESTION)]
    asked = answered = 0
    thoughts = ""
    with_tools = model.bind_tools(TOOLS)
    while True:
        whole: AIMessageChunk | None = None
        async for piece in with_tools.astream(said):
            whole = piece if whole is None else whole + piece
        assert whole is not None
        asked += whole.usage_metadata["input_tokens"] if whole.usage_metadata else 0
        answered += whole.usage_metadata["output_tokens"] if whole.usage_metadata else 0
        thoughts += "".join(part["reasoning"] for part in whole.content_blocks if part["type"] == "reasoning")
        said.append(whole)
        if not whole.tool_calls:
            return Told(str(whole.text), (asked, answered), thoughts)
        for call in whole.tool_calls:
            result = {"get_weather": story.get_weather, "get_time": story.get_time}[call["name"]](**call["args"])
            said.append(ToolMessage(result, tool_call_id=call["id"]))


if __name__ == "__main__":
    story.main([chat, responses, messages])
