"""Tools and the choice among them, as "Function calling" describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llms.protocol import json
from llms.protocol.dialects.gemini.schema import cleaned
from llms.protocol.errors import InvalidRequest, excerpt

_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def declarations(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return Gemini's list of tools; raise InvalidRequest for one that is no function."""
    if not tools:
        return []
    return [{"functionDeclarations": [_declaration(tool, place) for place, tool in enumerate(tools)]}]


def _declaration(tool: Mapping[str, Any], place: int) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        raise _refused(f"tools[{place}].type", 'must be "function" for Gemini', tool.get("type"))
    declared = {"name": function["name"]}
    if function.get("description"):
        declared["description"] = function["description"]
    if function.get("parameters"):
        declared["parametersJsonSchema"] = cleaned(function["parameters"])
    return declared


def tool_config(choice: object) -> dict[str, Any] | None:
    """Return `toolConfig` for a `tool_choice`; None where the client made none."""
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise _refused("tool_choice", f"must be one of {', '.join(_MODES)} or an object", choice)
        return _config(_MODES[choice])
    kind = choice.get("type") if isinstance(choice, dict) else None
    if isinstance(choice, dict) and kind == "function":
        return _config("ANY", [_name(choice)])
    allowed = choice.get("allowed_tools") if isinstance(choice, dict) and kind == "allowed_tools" else None
    if isinstance(allowed, dict) and isinstance(allowed.get("tools"), list):
        mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
        return _config(mode, [_name(tool) for tool in allowed["tools"]])
    raise _refused("tool_choice", 'must be a string or an object of type "function" or "allowed_tools"', choice)


def _config(mode: str, names: Sequence[str] = ()) -> dict[str, Any]:
    return {"functionCallingConfig": {"mode": mode, **({"allowedFunctionNames": [*names]} if names else {})}}


def _name(holder: object) -> str:
    function = holder.get("function") if isinstance(holder, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not name:
        raise _refused("tool_choice", "must name its functions as {function: {name}}", holder)
    return name


def _refused(where: str, what: str, found: object) -> InvalidRequest:
    return InvalidRequest(f"`{where}` {what}, found {excerpt(json.dumps(found).decode())}.", param=where)
