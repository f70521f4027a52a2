"""A chat as the body of a `generateContent` request; the fields are those of "Generating content"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.gemini.contents import Contents, SignatureOf
from llms.protocol.dialects.gemini.extras import extras
from llms.protocol.dialects.gemini.schema import cleaned
from llms.protocol.dialects.gemini.thinking import thinking_config
from llms.protocol.dialects.gemini.tools import declarations, tool_config
from llms.protocol.errors import InvalidRequest, excerpt

_SETTINGS: Final[Mapping[str, str]] = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
_REFUSED: Final[Mapping[str, str]] = {
    "logit_bias": "Gemini has no such setting",
    "functions": "send `tools` instead",
    "function_call": "send `tool_choice` instead",
    "audio": "speech is not translated for Gemini",
}
"""Fields that change an answer and cannot be honoured."""


def generate_content(request: ChatRequest, *, signature_of: SignatureOf) -> dict[str, Any]:
    """Return the body of a request; raise InvalidRequest naming the field that Gemini cannot take."""
    body = request.body
    for name, why in _REFUSED.items():
        if body.get(name):
            raise InvalidRequest(f"`{name}` cannot be sent to {request.model}: {why}.", param=name)
    own = {name: value for name, value in extras(body).items() if name not in ("thinking_config", "tools")}
    messages = Contents(body["messages"], model=request.model, signature_of=signature_of)
    wanted: dict[str, Any] = {
        "systemInstruction": messages.system(),
        "contents": messages.contents(),
        "tools": [*declarations(body.get("tools") or ()), *_google_s_tools(body)],
        "toolConfig": tool_config(body.get("tool_choice")) if body.get("tools") else None,
        "generationConfig": _generation_config(body, request.model),
    }
    return {**{name: value for name, value in wanted.items() if value}, **own}


def _google_s_tools(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tools that Google runs itself; `web_search_options` is its search ("Grounding with Google Search")."""
    where = "extra_body.google.tools"
    own = extras(body).get("tools") or []
    if not isinstance(own, list):
        raise InvalidRequest(f"`{where}` must be a list of Gemini's tools, found {excerpt(own)}.", param=where)
    return own if body.get("web_search_options") is None else [*own, {"googleSearch": {}}]


def _generation_config(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    settings = {ours: body[name] for name, ours in _SETTINGS.items() if body.get(name) is not None}
    stop = body.get("stop")
    if stop:
        settings["stopSequences"] = [stop] if isinstance(stop, str) else stop
    if body.get("modalities"):
        settings["responseModalities"] = _modalities(body["modalities"])
    thinking = thinking_config(body, model)
    return {**settings, **_format(body.get("response_format")), **({"thinkingConfig": thinking} if thinking else {})}


def _modalities(given: object) -> list[str]:
    if not isinstance(given, list) or not all(each in ("text", "image") for each in given):
        raise InvalidRequest(
            f"`modalities` may be a list of text and image for Gemini, found {excerpt(given)}.", param="modalities"
        )
    return [each.upper() for each in given]


def _format(wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings of a structured answer ("Structured outputs")."""
    kind = (wanted or {}).get("type", "text")
    if wanted is None or kind == "text":
        return {}
    where = "response_format.json_schema"
    if kind == "json_schema":
        held = wanted.get("json_schema")
        schema = held.get("schema") if isinstance(held, dict) else None
        if not isinstance(schema, dict):
            raise InvalidRequest(f"`{where}.schema` must be a JSON Schema.", param=f"{where}.schema")
        return {"responseMimeType": "application/json", "responseJsonSchema": cleaned(schema)}
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    raise InvalidRequest(
        f"`response_format.type` must be text, json_object or json_schema, found {excerpt(kind)}.",
        param="response_format.type",
    )
