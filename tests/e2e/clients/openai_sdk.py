"""OpenAI's own client: chat completions, responses that carry their reasoning, and responses kept by the server."""

from __future__ import annotations

from typing import Any

import openai
import story
from story import Told

CHAT_TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": does, "parameters": takes}}
    for name, (does, takes) in story.TOOLS.items()
]
TOOLS: Any = [
    {"type": "function", "name": name, "description": does, "parameters": takes, "strict": True}
    for name, (does, takes) in story.TOOLS.items()
]


def chat(url: str, model: str) -> Told:
    """Give the client's own accumulated messages back."""
    messages: list[Any] = [{"role": "user", "content": story.QUESTION}]
    asked = answered = 0
    thoughts = ""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        while True:
            with client.chat.completions.stream(
                model=model, messages=messages, tools=CHAT_TOOLS, stream_options={"include_usage": True}
            ) as stream:
                final = stream.until_done().get_final_completion()
            asked += final.usage.prompt_tokens if final.usage else 0
            answered += final.usage.completion_tokens if final.usage else 0
            said = final.choices[0].message
            thoughts += (said.model_extra or {}).get("reasoning_content") or ""
            if not said.tool_calls:
                return Told(said.content or "", (asked, answered), thoughts)
            messages.append(said.to_dict())
            for call in said.tool_calls:
                result = story.run(call.function.name, call.function.arguments)
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def responses(url: str, model: str) -> Told:
    """Give all items back; nothing is kept by the server."""
    return _respond(url, model, keep=False)


def responses_kept(url: str, model: str) -> Told:
    """Give the id of the last response back."""
    return _respond(url, model, keep=True)


def _respond(url: str, model: str, *, keep: bool) -> Told:
    items: list[Any] = [{"role": "user", "content": story.QUESTION}]
    asked = answered = 0
    thoughts = ""
    more: dict[str, Any] = {"store": True} if keep else {"store": False, "include": ["reasoning.encrypted_content"]}
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        while True:
            with client.responses.stream(model=model, input=items, tools=TOOLS, **more) as stream:
                final = stream.until_done().get_final_response()
            asked += final.usage.input_tokens if final.usage else 0
            answered += final.usage.output_tokens if final.usage else 0
            shown = [part for item in final.output if item.type == "reasoning" for part in item.content or ()]
            thoughts += "".join(part.text for part in shown)
            calls = [item for item in final.output if item.type == "function_call"]
            if not calls:
                return Told(final.output_text, (asked, answered), thoughts)
            results = [
                {"type": "function_call_output", "call_id": c.call_id, "output": story.run(c.name, c.arguments)}
                for c in calls
            ]
            if keep:
                items, more["previous_response_id"] = results, final.id
            else:
                items += [item.to_dict() for item in final.output] + results


if __name__ == "__main__":
    story.main([chat, responses, responses_kept])
