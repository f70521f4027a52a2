"""A request for a response as a chat, and as it goes to a target that speaks the dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.responses.asked import Asked, Item, refuse
from llms.protocol.dialects.responses.conversation import Conversation
from llms.protocol.dialects.responses.opaque import is_ours
from llms.protocol.dialects.responses.tools import Untranslatable, tools_of
from llms.protocol.errors import InvalidRequest
from llms.protocol.native import Original

DIALECT: Final = "responses"
_OURS: Final = frozenset(
    {
        "model", "input", "instructions", "previous_response_id", "conversation", "prompt", "stream", "stream_options",
        "store", "background", "include", "metadata", "truncation", "text", "reasoning", "tools", "tool_choice",
        "parallel_tool_calls", "max_tool_calls", "max_output_tokens", "top_logprobs", "context_management",
        "moderation", "image", "access_programs", "prompt_cache_options", "prompt_cache_retention", "client_metadata",
    }
)  # fmt: skip
"""The fields that a chat has under another name, or not at all; all others mean the same there."""
_ELSEWHERE: Final = {
    "conversation": "a conversation that is kept at OpenAI",
    "prompt": "a prompt that is kept at OpenAI",
    "context_management": "compaction, which OpenAI does",
    "moderation": "moderation, which OpenAI does",
}
_NAMED: Final = ("reasoning", "item_reference")
_LOGPROBS: Final = "message.output_text.logprobs"


class Translation(NamedTuple):
    """A chat, and why it is not all that was asked for where a chat cannot say it."""

    request: ChatRequest
    obstacle: InvalidRequest | None
    """Then only targets that speak the dialect may be asked; the chat is empty."""


def translate(asked: Asked, history: Sequence[Item] = (), *, request_id: str = "", hops: int = 0) -> Translation:
    """Return the chat for a request that continues what is in `history`; raise InvalidRequest."""
    obstacle = None
    try:
        body = _chat(asked, history)
    except Untranslatable as problem:
        obstacle = problem
        body = {"model": asked.model, "messages": []}
    original = Original(DIALECT, _original(asked, history))
    request = ChatRequest(body, asked.model, asked.stream, False, hops, request_id, original=original)
    return Translation(request, obstacle)


def _chat(asked: Asked, history: Sequence[Item]) -> dict[str, Any]:
    given = asked.body
    for name, what in _ELSEWHERE.items():
        if given.get(name):
            raise Untranslatable(
                f"`{name}` asks for {what}: only targets that speak the Responses API themselves can do that.",
                param=name,
            )
    conversation = Conversation(given.get("instructions"))
    for item in history:
        conversation.add(item, "previous_response_id")
    for at, item in enumerate(asked.items):
        conversation.add(item, f"input[{at}]")
    if not conversation.messages:
        raise InvalidRequest("`input` is empty; it must be a string or a list of items.", param="input")
    rest = {name: value for name, value in given.items() if name not in _OURS}
    fields = {**rest, **_limits(asked), **_form(given), **_effort(given), **tools_of(given).fields}
    return {"model": asked.model, "messages": conversation.messages, **fields}


def _limits(asked: Asked) -> dict[str, Any]:
    given = asked.body
    found = {"max_tokens": given["max_output_tokens"]} if "max_output_tokens" in given else {}
    if asked.includes(_LOGPROBS) or given.get("top_logprobs"):
        found |= {"logprobs": True, "top_logprobs": given.get("top_logprobs", 0)}
    return found


def _form(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the text must be: `text.format` and `text.verbosity`."""
    text = given.get("text", {})
    found: dict[str, Any] = {"verbosity": text["verbosity"]} if text.get("verbosity") else {}
    form = text.get("format") or {"type": "text"}
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "json_schema":
        schema = {
            name: form[name] for name in ("name", "description", "schema", "strict") if form.get(name) is not None
        }
        if not isinstance(schema.get("schema"), dict):
            refuse("text.format.schema", "an object", schema.get("schema"))
        found["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", **schema}}
    elif kind == "json_object":
        found["response_format"] = {"type": "json_object"}
    elif kind != "text":
        refuse("text.format.type", "text, json_object or json_schema", kind)
    return found


def _effort(given: Mapping[str, Any]) -> dict[str, Any]:
    effort = given.get("reasoning", {}).get("effort")
    if effort is None:
        return {}
    if not isinstance(effort, str):
        refuse("reasoning.effort", "a string", effort)
    return {"reasoning_effort": effort}


def _original(asked: Asked, history: Sequence[Item]) -> Mapping[str, Any]:
    """Return the body for a target that speaks the dialect: it knows nothing of what is kept here.

    Thoughts that other models left are sealed by us, and nobody there could read them.
    """
    body = asked.body
    given = body.get("input")
    if not history and not (isinstance(given, list) and any(isinstance(one, dict) and is_ours(one) for one in given)):
        return body
    kept = [_unknown(item) for item in (*history, *asked.items) if not is_ours(item)]
    return {name: value for name, value in body.items() if name != "previous_response_id"} | {"input": kept}


def _unknown(item: Item) -> Item:
    """Return an item without the id that was made up here, where one is not needed."""
    if item["type"] not in _NAMED and item.get("role") != "assistant":
        return {key: value for key, value in item.items() if key != "id"}
    return item
