"""Messages in the form that chat templates read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from llms.protocol.json import is_deeper_than

Message = Mapping[str, Any]

_INSTRUCTION: Final = """You may call these functions to help the user. Their signatures, one JSON object a line:
<tools>
{tools}
</tools>
To call one, write its name and arguments as JSON between these tags and then stop:
<tool_call>
{{"name": "the function's name", "arguments": {{"its": "arguments"}}}}
</tool_call>
You get the result in the next message. Call none where you know the answer without."""


def plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages whose contents are text, and whose calls have their arguments as objects."""
    return [_plain(message) for message in messages]


def with_texts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return plain messages with the arguments of calls as JSON text, which some templates want."""
    return [_with_calls(message, _as_text) for message in messages]


def without_system(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return plain messages with the system's at the head of the first user's, for templates that know none."""
    told = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    rest = [dict(message) for message in messages if message["role"] != "system"]
    if told and rest and rest[0]["role"] == "user":
        rest[0]["content"] = f"{told}\n\n{rest[0]['content']}"
        return rest
    return [{"role": "user", "content": told}, *rest] if told else rest


def with_tools_told(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return plain messages in which tools, calls and results are text, for templates that know nothing of them."""
    told = [_told(message) for message in messages]
    if not tools:
        return told
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    instruction = _INSTRUCTION.format(tools=lines)
    if told and told[0]["role"] == "system":
        return [{**told[0], "content": f"{told[0]['content']}\n\n{instruction}"}, *told[1:]]
    return [{"role": "system", "content": instruction}, *told]


def _plain(message: Message) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content)
    return _with_calls({**message, "content": content or ""}, _as_object)


def _with_calls(message: Message, change: Callable[[Any], Any]) -> dict[str, Any]:
    calls = [call for call in message.get("tool_calls", ()) if "function" in call]
    if not calls:
        return {key: value for key, value in message.items() if key != "tool_calls"}
    changed = [{**call["function"], "arguments": change(call["function"].get("arguments", ""))} for call in calls]
    return {
        **message,
        "tool_calls": [{**call, "function": function} for call, function in zip(calls, changed, strict=True)],
    }


def _as_object(arguments: Any) -> Any:
    """Return arguments decoded; as they are if they are no JSON object, or one that is nested without an end."""
    try:
        value = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, dict) and not is_deeper_than(value) else arguments


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _told(message: Message) -> dict[str, Any]:
    if message["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "content": "\n".join(filter(None, [message["content"], *_told_calls(message)]))}


def _told_calls(message: Message) -> Iterator[str]:
    for call in message.get("tool_calls", ()):
        function = call["function"]
        text = json.dumps({"name": function["name"], "arguments": function["arguments"]}, ensure_ascii=False)
        yield f"<tool_call>\n{text}\n</tool_call>"
