"""What of a chat request reaches a local model: known fields within their ranges, and nothing else.

The model runs in native code, which one strange number can end (a negative `n_discard` in CVE-2026-21869), so fields
are let in by name instead of kept out by name.
"""

from __future__ import annotations

import json as stdlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, final

import orjson

from llms.protocol.errors import InvalidRequest, NotSupported, excerpt
from llms.providers.llama_cpp.gbnf import check_grammar

_MOST_TOKENS: Final = 2**30
_MOST_STOPS, _LONGEST_STOP = 16, 1000
_MOST_BIASES: Final = 1024
_LONGEST_GRAMMAR: Final = 2**15
_MOST_TEMPLATE_VALUES: Final = 16
_TEMPLATE_OWN: Final = frozenset({"messages", "tools", "bos_token", "eos_token", "add_generation_prompt"})
_RANDOM_SEED: Final = 2**32 - 1

_MESSAGE_KEYS: Final = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content")
_ROLES: Final = {"developer": "system"}
"""Roles that chat templates do not know, and what they know instead."""


@final
@dataclass(frozen=True, slots=True)
class _Range:
    low: float
    high: float
    whole: bool = False


_RANGES: Final[Mapping[str, _Range]] = {
    "temperature": _Range(0, 10),
    "top_p": _Range(0, 1),
    "min_p": _Range(0, 1),
    "typical_p": _Range(0, 1),
    "top_k": _Range(-1, 1_000_000, whole=True),
    "repeat_penalty": _Range(0.1, 10),
    "repeat_last_n": _Range(0, 1_000_000, whole=True),
    "presence_penalty": _Range(-2, 2),
    "frequency_penalty": _Range(-2, 2),
    "top_logprobs": _Range(0, 20, whole=True),
}
_FLAGS: Final = ("logprobs", "parallel_tool_calls")


def library_body(body: Mapping[str, Any]) -> bytes:
    """Return the JSON that the library gets for a client's body; raise InvalidRequest naming the field.

    It always streams, so that every request can be stopped, tells usage, and reports while it reads the prompt.
    """
    known = {
        "messages": list(_messages(body["messages"])),
        **{name: _number(name, body[name], span) for name, span in _RANGES.items() if body.get(name) is not None},
        **{name: _flag(name, body[name]) for name in _FLAGS if body.get(name) is not None},
        **_length(body),
        **_seed(body.get("seed")),
        **_stop(body.get("stop")),
        **_logit_bias(body.get("logit_bias")),
        **_response_format(body.get("response_format")),
        **_tools(body.get("tools"), body.get("tool_choice")),
        **_grammar(body),
        **_template_values(body.get("chat_template_kwargs")),
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    }
    if body.get("n") not in (None, 1):
        _refuse("n", "1: a local model writes one answer at a time", body["n"])
    return _encoded(known)


def _messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for place, message in enumerate(messages):
        kept = {key: message[key] for key in _MESSAGE_KEYS if message.get(key) is not None}
        kept["role"] = _ROLES.get(kept["role"], kept["role"])
        if isinstance(kept.get("content"), list):
            kept["content"] = [_text_part(f"messages[{place}].content", part) for part in kept["content"]]
        elif "content" not in kept:
            kept["content"] = ""
        yield kept


def _text_part(path: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a message; only text: the library would fetch the addresses of others by itself.

    Anything else is NotSupported, so that the next target is asked.
    """
    kind = str(part.get("type"))
    text = part.get(kind)
    if kind not in ("text", "refusal"):
        shown = excerpt(kind, 40)
        problem = f"`{path}` must be text only, found {shown}: this local model reads nothing else."
        raise NotSupported(problem, param=path, status=400)
    if not isinstance(text, str):
        _refuse(path, "text", text)
    return {"type": "text", "text": text}


def _number(name: str, value: object, span: _Range) -> float:
    kinds = (int,) if span.whole else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or not span.low <= value <= span.high:
        _refuse(name, f"{'an integer' if span.whole else 'a number'} from {span.low:g} to {span.high:g}", value)
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        _refuse(name, "true or false", value)
    return value


def _length(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limit of the answer; -1 is what several local servers take for none."""
    name = "max_tokens" if body.get("max_completion_tokens") is None else "max_completion_tokens"
    value = body.get(name)
    if value is None or value == -1:
        return {}
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        _refuse(name, "an integer of at least 1", value)
    return {"max_tokens": min(value, _MOST_TOKENS)}


def _seed(value: object) -> dict[str, Any]:
    """Return the seed in the 32 bits that the library has; other clients' seeds may be longer."""
    if value is None:
        return {}
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse("seed", "an integer", value)
    return {"seed": value & _RANDOM_SEED}


def _stop(value: object) -> dict[str, Any]:
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        _refuse("stop", "a string or a list of strings", value)
    stops = [stop for stop in stops if stop]
    if len(stops) > _MOST_STOPS or any(len(stop) > _LONGEST_STOP for stop in stops):
        _refuse("stop", f"at most {_MOST_STOPS} strings of at most {_LONGEST_STOP} characters", value)
    return {"stop": stops} if stops else {}


def _logit_bias(value: object) -> dict[str, Any]:
    if not value:
        return {}
    if not isinstance(value, dict) or len(value) > _MOST_BIASES:
        _refuse("logit_bias", f"an object of at most {_MOST_BIASES} token ids", value)
    span = _Range(-100, 100)
    pairs = [[_token(key), _number(f"logit_bias.{key}", bias, span)] for key, bias in value.items()]
    return {"logit_bias": pairs}


def _token(key: str) -> int:
    if not key.isascii() or not key.isdigit() or len(key) > 9:
        _refuse("logit_bias", "an object whose keys are token ids", key)
    return int(key)


def _response_format(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or kind not in ("text", "json_object", "json_schema"):
        _refuse("response_format.type", "text, json_object or json_schema", kind)
    schema = value.get("json_schema")
    if kind != "json_schema" or not isinstance(schema, dict) or schema.get("schema") is None:
        return {"response_format": {"type": "text" if kind == "text" else "json_object"}}
    if not isinstance(schema["schema"], dict):
        _refuse("response_format.json_schema.schema", "an object", schema["schema"])
    strict = {"strict": _flag("response_format.json_schema.strict", schema["strict"])} if schema.get("strict") else {}
    wanted = {"name": str(schema.get("name", "answer")), "schema": schema["schema"], **strict}
    return {"response_format": {"type": kind, "json_schema": wanted}}


def _tools(tools: Sequence[Mapping[str, Any]] | None, choice: object) -> dict[str, Any]:
    """Return tools and choice; a choice of one function becomes that tool alone, required: all the library knows."""
    functions = [tool for tool in tools or () if tool.get("type") == "function"]
    if not functions:
        return {}
    if isinstance(choice, dict):
        function = choice.get("function")
        wanted = function.get("name") if isinstance(function, dict) else None
        functions = [tool for tool in functions if tool["function"].get("name") == wanted]
        if not functions:
            _refuse("tool_choice", "the name of one of the tools", wanted)
        choice = "required"
    if choice not in (None, "auto", "none", "required"):
        _refuse("tool_choice", "auto, none, required or a function", choice)
    return {"tools": functions, "tool_choice": choice or "auto"}


def _grammar(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the client's own grammar; what else gives the answer a form cannot hold at the same time."""
    value = body.get("grammar")
    if not value:
        return {}
    if not isinstance(value, str) or len(value) > _LONGEST_GRAMMAR:
        _refuse("grammar", f"GBNF of at most {_LONGEST_GRAMMAR} characters", value)
    form = body.get("response_format")
    if body.get("tools") or (isinstance(form, dict) and form.get("type") != "text"):
        _refuse("grammar", "left out where `tools` or `response_format` give the answer its form", value)
    try:
        check_grammar(value)
    except ValueError as expected:
        _refuse("grammar", str(expected), value)
    return {"grammar": value}


def _template_values(value: object) -> dict[str, Any]:
    """Return what a chat template may be told, such as `enable_thinking`."""
    if not value:
        return {}
    flat = isinstance(value, dict) and all(isinstance(item, str | int | float | bool) for item in value.values())
    if not isinstance(value, dict) or not flat or len(value) > _MOST_TEMPLATE_VALUES:
        _refuse("chat_template_kwargs", f"an object of at most {_MOST_TEMPLATE_VALUES} plain values", value)
    if own := _TEMPLATE_OWN & value.keys():
        _refuse("chat_template_kwargs", "free of what the template gets by itself", min(own))
    return {"chat_template_kwargs": value}


def _encoded(known: Mapping[str, Any]) -> bytes:
    """Encode; half characters, which the library refuses, become question marks."""
    try:
        return orjson.dumps(known)
    except TypeError:
        return stdlib.dumps(known, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _refuse(field: str, expected: str, found: object) -> NoReturn:
    raise InvalidRequest(f"`{field}` must be {expected}, found {excerpt(found)}.", param=field)
