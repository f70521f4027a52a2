"""A chat, as the request that an upstream of Messages takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.messages.effort import with_thinking
from llms.protocol.dialects.messages.given import conversation
from llms.protocol.errors import InvalidRequest, NotSupported

_OURS: Final = frozenset(
    {
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
        "stop", "user", "tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "response_format",
        "service_tier", "metadata", "store", "seed", "n", "logprobs", "top_logprobs", "presence_penalty",
        "frequency_penalty", "logit_bias", "modalities", "audio", "prediction", "verbosity", "safety_identifier",
        "prompt_cache_key", "prompt_cache_retention", "web_search_options", "functions", "function_call",
    }
)  # fmt: skip
"""Fields of chat completions; what is not among them goes to the upstream as it is."""
_REFUSED: Final = (
    "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias", "audio", "web_search_options",
    "functions",
)  # fmt: skip
_JSON_ONLY: Final = "Answer with one JSON object and nothing else."
_TIERS: Final[Mapping[str, str]] = {"auto": "auto", "default": "standard_only"}


def body_of(request: ChatRequest, *, stream: bool, default_max: int, adaptive: bool | None = None) -> dict[str, Any]:
    """Return the body; `default_max` bounds the answer where the client does not. Raise a RequestError.

    `adaptive` tells how the model thinks, where that is known: as it sees fit, or by a budget.
    """
    chat = request.body
    _check(chat)
    system, messages = conversation(chat.get("messages") or [])
    wanted, schema = _format(chat)
    system += wanted
    limit = chat.get("max_completion_tokens") or chat.get("max_tokens")
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": limit or default_max,
        **({"system": _system(system)} if system else {}),
        "messages": messages,
        **({"stream": True} if stream else {}),
        **_sampling(chat),
        **_tools(chat),
        **{name: value for name, value in chat.items() if name not in _OURS},
    }
    if schema:
        body["output_config"] = {**schema, **(body.get("output_config") or {})}
    return with_thinking(body, chat.get("reasoning_effort"), bounded=limit is not None, adaptive=adaptive)


def _check(chat: Mapping[str, Any]) -> None:
    for name in _REFUSED:
        if chat.get(name):
            raise NotSupported(f"`{name}` is not to be had of Anthropic's models: leave it out.", param=name)
    if chat.get("n") not in (None, 1):
        raise NotSupported("`n` must be 1: Anthropic's models give one answer a request.", param="n")
    if any(kind != "text" for kind in chat.get("modalities") or ()):
        raise NotSupported("`modalities` must be text alone: Anthropic's models only write.", param="modalities")


def _system(blocks: list[dict[str, Any]]) -> Any:
    plain = len(blocks) == 1 and len(blocks[0]) == 2
    return blocks[0]["text"] if plain else blocks


def _sampling(chat: Mapping[str, Any]) -> dict[str, Any]:
    """Return what steers the choice of words; of temperature and top_p, newer models take one alone."""
    made: dict[str, Any] = {}
    if (temperature := chat.get("temperature")) is not None:
        made["temperature"] = min(1.0, max(0.0, temperature))
    elif chat.get("top_p") is not None:
        made["top_p"] = chat["top_p"]
    stop = chat.get("stop")
    stops = [text for text in ([stop] if isinstance(stop, str) else stop or []) if text.strip()]
    if stops:
        made["stop_sequences"] = stops
    if (tier := _TIERS.get(str(chat.get("service_tier")))) is not None:
        made["service_tier"] = tier
    if user := chat.get("user") or chat.get("safety_identifier"):
        made["metadata"] = {"user_id": user}
    return made


def _format(chat: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what the form of the answer adds to the system prompt, and to `output_config`."""
    wanted = chat.get("response_format") or {}
    if wanted.get("type") == "json_object":
        return [{"type": "text", "text": _JSON_ONLY}], {}
    if wanted.get("type") != "json_schema":
        return [], {}
    holder = wanted.get("json_schema")
    schema = holder.get("schema") if isinstance(holder, dict) else None
    if not isinstance(schema, dict):
        raise InvalidRequest(
            "`response_format.json_schema.schema` must be an object.", param="response_format.json_schema.schema"
        )
    return [], {"format": {"type": "json_schema", "schema": schema}}


def _tools(chat: Mapping[str, Any]) -> dict[str, Any]:
    tools = [_tool(tool, at) for at, tool in enumerate(chat.get("tools") or [])]
    if not tools:
        return {}
    choice, alone = chat.get("tool_choice"), chat.get("parallel_tool_calls") is False
    made: dict[str, Any] | None = None
    if isinstance(choice, dict):
        named = choice.get("function")
        made = {"type": "tool", "name": (named if isinstance(named, dict) else choice).get("name")}
    elif choice is not None:
        made = {"type": {"required": "any", "none": "none"}.get(choice, "auto")}
    if alone and (made is None or made["type"] != "none"):
        made = {**(made or {"type": "auto"}), "disable_parallel_tool_use": True}
    return {"tools": tools, **({"tool_choice": made} if made else {})}


def _tool(tool: Mapping[str, Any], at: int) -> dict[str, Any]:
    """Return a tool; one of Anthropic's own goes as it is."""
    if tool.get("type") == "custom":
        raise NotSupported(
            f"`tools[{at}]` is a custom tool, which Anthropic's models don't know.", param=f"tools[{at}]"
        )
    function = tool.get("function")
    if not isinstance(function, dict) or "name" not in function:
        return dict(tool)
    made: dict[str, Any] = {"name": function["name"]}
    if function.get("description"):
        made["description"] = function["description"]
    made["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict") is True:
        made["strict"] = True
    return {**made, "cache_control": tool["cache_control"]} if tool.get("cache_control") else made
