"""A client's request, as the body of a chat: made when a target asks for it that does not speak Messages itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, final

from llms.protocol.dialects.messages.checks import objects, refuse, text_at, texts
from llms.protocol.dialects.messages.turns import chat_messages, system_message
from llms.protocol.errors import InvalidRequest

_SAME: Final = ("max_tokens", "temperature", "top_p", "top_k")
_NATIVE_ONLY: Final = ("mcp_servers", "container")
_EFFORT_UP_TO: Final = ((2048, "low"), (8192, "medium"))
"""Tokens of a thinking budget, and the effort that stands for as much; what is beyond is `high`."""
_EFFORTS: Final[Mapping[str, str]] = {"xhigh": "high", "max": "high"}
"""Efforts that other upstreams have no word for."""
_TIERS: Final[Mapping[str, str]] = {"auto": "auto", "standard_only": "default"}


@final
class AskedChat(Mapping[str, Any]):
    """The chat that a request of Messages comes to.

    Whoever looks into it may get InvalidRequest: for what is wrong in the request, and for what only Anthropic's own
    servers can do. A target that speaks Messages never looks.
    """

    __slots__ = ("_asked", "_made")

    def __init__(self, asked: Mapping[str, Any]) -> None:
        """Take the client's body, decoded."""
        self._asked = asked
        self._made: Mapping[str, Any] | None = None

    def __getitem__(self, key: str) -> Any:
        return self._chat()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._chat())

    def __len__(self) -> int:
        return len(self._chat())

    def _chat(self) -> Mapping[str, Any]:
        if self._made is None:
            self._made = chat_of(self._asked)
        return self._made


def chat_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a chat; raise InvalidRequest naming the client's field."""
    refusal = refusal_of(asked)
    if refusal is not None:
        raise refusal
    if asked.get("max_tokens") is not None and asked["max_tokens"] < 1:
        refuse("max_tokens", "an integer of at least 1", asked["max_tokens"])
    chat: dict[str, Any] = {"model": asked["model"]}
    chat["messages"] = [*system_message(asked.get("system")), *chat_messages(asked["messages"])]
    chat.update({name: asked[name] for name in _SAME if asked.get(name) is not None})
    if stops := asked.get("stop_sequences"):
        chat["stop"] = texts(stops, "stop_sequences")
    if asked.get("stream") is not None:
        chat["stream"] = asked["stream"]
    if isinstance(metadata := asked.get("metadata"), dict) and isinstance(metadata.get("user_id"), str):
        chat["user"] = metadata["user_id"]
    if (tier := _TIERS.get(str(asked.get("service_tier")))) is not None:
        chat["service_tier"] = tier
    for add in (_tools, _tool_choice, _effort, _format):
        chat.update(add(asked))
    return chat


def refusal_of(asked: Mapping[str, Any]) -> InvalidRequest | None:
    """Return why only a target that speaks Messages can take a request; None where a chat does."""
    for name in _NATIVE_ONLY:
        if asked.get(name):
            return native_only(name)
    for at, tool in enumerate(asked.get("tools") or ()):
        if isinstance(tool, dict) and tool.get("type") not in (None, "custom"):
            return native_only(f"tools[{at}]")
    return None


def native_only(where: str) -> InvalidRequest:
    """Return the error for what no translation can give."""
    return InvalidRequest(
        f"`{where}` is done by Anthropic's own servers, and the model asked for is not there: leave it out, or ask "
        "for a model of a provider of type anthropic.",
        param=where,
    )


def _tools(asked: Mapping[str, Any]) -> dict[str, Any]:
    tools = []
    for at, tool in enumerate(objects(asked.get("tools") or [], "tools")):
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            refuse(f"tools[{at}].input_schema", "an object", schema)
        function: dict[str, Any] = {"name": text_at(tool, "name", f"tools[{at}]")}
        if tool.get("description"):
            function["description"] = text_at(tool, "description", f"tools[{at}]")
        function["parameters"] = schema
        if isinstance(tool.get("strict"), bool):
            function["strict"] = tool["strict"]
        mark = {"cache_control": tool["cache_control"]} if tool.get("cache_control") else {}
        tools.append({"type": "function", "function": function, **mark})
    return {"tools": tools} if tools else {}


def _tool_choice(asked: Mapping[str, Any]) -> dict[str, Any]:
    choice = asked.get("tool_choice")
    if choice is None or not asked.get("tools"):
        return {}
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "tool":
        made: Any = {"type": "function", "function": {"name": text_at(choice, "name", "tool_choice")}}
    else:
        made = {"auto": "auto", "any": "required", "none": "none"}.get(str(kind))
    if made is None:
        refuse("tool_choice.type", "auto, any, tool or none", kind)
    parallel = {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") is True else {}
    return {"tool_choice": made, **parallel}


def _effort(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the effort that was named, or what a budget for thinking comes to."""
    thinking, output = asked.get("thinking"), asked.get("output_config")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind == "disabled":
        return {}
    named = output.get("effort") if isinstance(output, dict) else None
    if isinstance(named, str):
        return {"reasoning_effort": _EFFORTS.get(named, named)}
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if kind != "enabled" or not isinstance(budget, int):
        return {}
    return {"reasoning_effort": next((effort for most, effort in _EFFORT_UP_TO if budget <= most), "high")}


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    output = asked.get("output_config")
    wanted = (output.get("format") if isinstance(output, dict) else None) or asked.get("output_format")
    if wanted is None:
        return {}
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(schema, dict):
        refuse("output_config.format.schema", "an object", schema)
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "output", "schema": schema, "strict": True},
        }
    }
