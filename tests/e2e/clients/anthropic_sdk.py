"""Anthropic's own client."""

from __future__ import annotations

from typing import Any

import anthropic
import story
from story import Told

TOOLS: Any = [{"name": name, "description": does, "input_schema": takes} for name, (does, takes) in story.TOOLS.items()]


def messages(url: str, model: str) -> Told:
    """Give the client's own accumulated blocks back."""
    turns: list[Any] = [{"role": "user", "content": story.QUESTION}]
    asked = answered = 0
    thoughts = ""
    with anthropic.Anthropic(base_url=url, api_key="none") as client:
        while True:
            with client.messages.stream(
                model=model,
                max_tokens=4096,
                messages=turns,
                tools=TOOLS,
                thinking={"type": "enabled", "budget_tokens": 1024},
            ) as stream:
                final = stream.get_final_message()
            asked += final.usage.input_tokens + (final.usage.cache_read_input_tokens or 0)
            answered += final.usage.output_tokens
            thoughts += "".join(block.thinking for block in final.content if block.type == "thinking")
            if final.stop_reason != "tool_use":
                text = "".join(block.text for block in final.content if block.type == "text")
                return Told(text, (asked, answered), thoughts)
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": story.run(block.name, dict(block.input))}
                for block in final.content
                if block.type == "tool_use"
            ]
            turns += [{"role": "assistant", "content": final.content}, {"role": "user", "content": results}]


if __name__ == "__main__":
    story.main([messages])
