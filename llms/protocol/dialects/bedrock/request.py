"""A chat as the body of a `Converse` request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from llms.protocol import json
from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.bedrock.contents import CACHE_POINT, messages_of, system_of
from llms.protocol.dialects.reading import refused

_REFUSED: Final = (
    "logit_bias", "functions", "function_call", "audio", "web_search_options", "seed", "presence_penalty",
    "frequency_penalty", "logprobs",
)  # fmt: skip
"""Fields that change an answer and have no place in a `Converse` request."""
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_CHOICES: Final[Mapping[str, dict[str, Any]]] = {"auto": {"auto": {}}, "required": {"any": {}}}


def converse(request: ChatRequest) -> dict[str, Any]:
    """Return the body of a request; raise InvalidRequest naming the field that Bedrock cannot take.

    `extra_body.bedrock` goes in as it is: `additionalModelRequestFields`, `guardrailConfig` and others.
    """
    body = request.body
    for name in _REFUSED:
        if body.get(name):
            raise refused(name, f"cannot be sent to {request.model}: Bedrock's Converse API has no such field")
    if body.get("n") not in (None, 1):
        raise refused("n", "must be 1 for Bedrock", body["n"])
    wanted: dict[str, Any] = {
        "system": system_of(body["messages"]),
        "messages": messages_of(body["messages"]),
        "inferenceConfig": _inference(body),
        "toolConfig": _tools(body.get("tools") or (), body.get("tool_choice")),
        "outputConfig": {**_format(body.get("response_format")), **_effort(body.get("reasoning_effort"))},
    }
    return {**{name: value for name, value in wanted.items() if value}, **_extras(body)}


def _inference(body: Mapping[str, Any]) -> dict[str, Any]:
    stop = body.get("stop")
    most = body.get("max_tokens") if body.get("max_completion_tokens") is None else body["max_completion_tokens"]
    settings = {
        "maxTokens": most,
        "temperature": body.get("temperature"),
        "topP": body.get("top_p"),
        "stopSequences": [stop] if isinstance(stop, str) else stop or None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _tools(tools: Sequence[Mapping[str, Any]], choice: object) -> dict[str, Any]:
    if not tools or choice == "none":
        return {}
    specs: list[dict[str, Any]] = []
    for place, tool in enumerate(tools):
        function = tool.get("function")
        if tool.get("type", "function") != "function" or not isinstance(function, dict):
            raise refused(f"tools[{place}].type", 'must be "function" for Bedrock', tool.get("type"))
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        told = {"description": function["description"]} if function.get("description") else {}
        specs.append({"toolSpec": {"name": function["name"], **told, "inputSchema": {"json": schema}}})
        specs += [CACHE_POINT] if tool.get("cache_control") else []
    return {"tools": specs, **({"toolChoice": _choice(choice)} if choice is not None else {})}


def _choice(choice: object) -> dict[str, Any]:
    if isinstance(choice, str) and choice in _CHOICES:
        return _CHOICES[choice]
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and function.get("name"):
        return {"tool": {"name": function["name"]}}
    raise refused("tool_choice", "must be auto, none, required or {type: function, function: {name}}", choice)


def _format(wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    kind = (wanted or {}).get("type", "text")
    if wanted is None or kind == "text":
        return {}
    held = wanted.get("json_schema")
    schema = held.get("schema") if isinstance(held, dict) and kind == "json_schema" else None
    if not isinstance(held, dict) or not isinstance(schema, dict):
        raise refused("response_format", "must be text, or json_schema with a schema, for Bedrock", kind)
    told = {name: held[name] for name in ("name", "description") if held.get(name)}
    structure = {"jsonSchema": {"schema": json.dumps(schema).decode(), **told}}
    return {"textFormat": {"type": "json_schema", "structure": structure}}


def _effort(given: object) -> dict[str, Any]:
    if given in (None, "none"):
        return {}
    if not isinstance(given, str) or given not in _EFFORTS:
        raise refused("reasoning_effort", f"must be one of none, {', '.join(_EFFORTS)}", given)
    return {"effort": _EFFORTS[given]}


def _extras(body: Mapping[str, Any]) -> Mapping[str, Any]:
    extra = body.get("extra_body")
    own = extra.get("bedrock") if isinstance(extra, dict) else None
    if own is not None and not isinstance(own, dict):
        raise refused("extra_body.bedrock", "must be an object", own)
    return own or {}
