"""Tools of a response as tools of a chat. A custom tool, whose input is plain text, is a function of one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, final

from llms.protocol import json
from llms.protocol.dialects.responses.asked import refuse
from llms.protocol.errors import InvalidRequest, excerpt

_ONE_TEXT: Final = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
_WAYS: Final = ("none", "auto", "required")


class Tools(NamedTuple):
    """What a chat's body says of tools, and which of them were custom ones."""

    fields: Mapping[str, Any]
    custom: frozenset[str]


@final
class Untranslatable(InvalidRequest):
    """What only a target that speaks the dialect can do; nobody is asked for it otherwise."""


def tools_of(body: Mapping[str, Any]) -> Tools:
    """Return the tools of a request; raise InvalidRequest, and Untranslatable for those that OpenAI runs itself."""
    given = body.get("tools", ())
    tools = [_tool(tool, f"tools[{at}]") for at, tool in enumerate(given)]
    custom = custom_names(body)
    fields: dict[str, Any] = {"tools": tools} if tools else {}
    if "parallel_tool_calls" in body and tools:
        fields["parallel_tool_calls"] = body["parallel_tool_calls"]
    if "tool_choice" in body and tools:
        _choose(fields, body["tool_choice"])
    return Tools(fields, custom)


def custom_names(body: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the tools whose input is plain text."""
    return frozenset(
        str(tool.get("name"))
        for tool in body.get("tools", ())
        if isinstance(tool, dict) and tool.get("type") == "custom"
    )


def _tool(tool: object, where: str) -> dict[str, Any]:
    if not isinstance(tool, dict):
        refuse(where, "an object", tool)
    kind = tool.get("type")
    if kind not in ("function", "custom"):
        raise Untranslatable(
            f"`{where}` is the tool {excerpt(str(kind), 40)!r}, which the model's target cannot run: only targets that "
            "speak the Responses API themselves do. Leave the tool out, or ask for a model of such a target.",
            param=f"{where}.type",
        )
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        refuse(f"{where}.name", "a non-empty string", name)
    function: dict[str, Any] = {"name": name}
    if kind == "custom":
        return {"type": "function", "function": {**function, "description": _told(tool), "parameters": _ONE_TEXT}}
    for field, kinds, expected in (
        ("description", str, "a string"),
        ("parameters", dict, "an object"),
        ("strict", bool, "true or false"),
    ):
        value = tool.get(field)
        if value is not None and not isinstance(value, kinds):
            refuse(f"{where}.{field}", expected, value)
        if value is not None:
            function[field] = value
    return {"type": "function", "function": function}


def _told(tool: Mapping[str, Any]) -> str:
    """Return the description of a custom tool, with the grammar that a chat has no field for."""
    told = str(tool.get("description") or "")
    form = tool.get("format")
    if isinstance(form, dict) and form.get("type") == "grammar":
        syntax, definition = form.get("syntax", ""), form.get("definition", "")
        told += f"\n\n`input` is plain text that follows this {syntax} grammar:\n{definition}"
    return told.strip()


def _choose(fields: dict[str, Any], choice: object) -> None:
    """Set `tool_choice`; of allowed tools the others are left out."""
    if isinstance(choice, str):
        if choice not in _WAYS:
            refuse("tool_choice", "none, auto, required or an object", choice)
        fields["tool_choice"] = choice
        return
    assert isinstance(choice, dict)
    kind = choice.get("type")
    if kind in ("function", "custom"):
        fields["tool_choice"] = {"type": "function", "function": {"name": _known(choice, fields, "tool_choice")}}
    elif kind == "allowed_tools":
        _allow(fields, choice)
    else:
        raise Untranslatable(
            f"`tool_choice` names the tool {excerpt(json.dumps(kind).decode(), 40)}, which only targets that speak "
            "the Responses API themselves can run.",
            param="tool_choice",
        )


def _allow(fields: dict[str, Any], choice: Mapping[str, Any]) -> None:
    mode, allowed = choice.get("mode", "auto"), choice.get("tools")
    if mode not in ("auto", "required"):
        refuse("tool_choice.mode", "auto or required", mode)
    if not isinstance(allowed, Sequence) or not all(isinstance(tool, dict) for tool in allowed):
        refuse("tool_choice.tools", "a list of objects", allowed)
    names = {_known(tool, fields, f"tool_choice.tools[{at}]") for at, tool in enumerate(allowed)}
    fields["tools"] = [tool for tool in fields["tools"] if tool["function"]["name"] in names]
    fields["tool_choice"] = mode


def _known(choice: Mapping[str, Any], fields: Mapping[str, Any], where: str) -> str:
    name = choice.get("name")
    if not any(tool["function"]["name"] == name for tool in fields["tools"]):
        refuse(f"{where}.name", "the name of one of `tools`", name)
    return str(name)
