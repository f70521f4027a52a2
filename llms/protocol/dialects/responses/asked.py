"""Read the body of POST /v1/responses: its fields by their kinds, and its input as items that have ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from llms.protocol import json
from llms.protocol.errors import InvalidRequest, excerpt
from llms.protocol.parse import parse_object

Item = dict[str, Any]
"""One item of an input or an output, as decoded JSON: an object with a `type`."""

_LONGEST_MODEL: Final = 512
_LONGEST_SHOWN: Final = 1024
_TEXT: Final = ("a string", (str,))
_FLAG: Final = ("true or false", (bool,))
_NUMBER: Final = ("a number", (int, float))
_COUNT: Final = ("an integer of at least 0", (int,))
_OBJECT: Final = ("an object", (dict,))
_LIST: Final = ("a list", (list,))
_KINDS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "model": ("a non-empty string", (str,)),
    "input": ("a string or a list of items", (str, list)),
    "instructions": _TEXT,
    "previous_response_id": _TEXT,
    "conversation": ("a string or an object", (str, dict)),
    "stream": _FLAG,
    "stream_options": _OBJECT,
    "store": _FLAG,
    "background": _FLAG,
    "tools": _LIST,
    "tool_choice": ("a string or an object", (str, dict)),
    "parallel_tool_calls": _FLAG,
    "max_tool_calls": _COUNT,
    "max_output_tokens": ("an integer of at least 1", (int,)),
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_logprobs": _COUNT,
    "text": _OBJECT,
    "reasoning": _OBJECT,
    "include": _LIST,
    "metadata": _OBJECT,
    "truncation": _TEXT,
    "service_tier": _TEXT,
    "user": _TEXT,
    "safety_identifier": _TEXT,
    "prompt_cache_key": _TEXT,
    "prompt": _OBJECT,
}
"""What is known is held to its kind; what is unknown goes on to the target untouched."""
_LEAST: Final = {"max_output_tokens": 1, "max_tool_calls": 0, "top_logprobs": 0}
_PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}


class Asked(NamedTuple):
    """A request for a response, as it was asked: fields that were null are left out."""

    id: str
    """The id that the response has where it is ours to name."""
    body: Mapping[str, Any]
    items: Sequence[Item]
    """The input as items, each with an id; texts as messages."""

    @property
    def model(self) -> str:
        """Return the model that was asked for."""
        return str(self.body["model"])

    @property
    def stream(self) -> bool:
        """Tell whether events are wanted."""
        return self.body.get("stream") is True

    @property
    def background(self) -> bool:
        """Tell whether the answer is made without waiting for it."""
        return self.body.get("background") is True

    @property
    def store(self) -> bool:
        """Tell whether the response is to be kept; it is, unless the client says otherwise."""
        return self.body.get("store") is not False

    @property
    def previous(self) -> str | None:
        """Return the response that this one continues."""
        return self.body.get("previous_response_id") or None

    def includes(self, what: str) -> bool:
        """Tell whether the client asked for something more in the answer."""
        return what in self.body.get("include", ())


def read(raw: bytes, *, response_id: str) -> Asked:
    """Return what a body asks for; raise InvalidRequest naming the first wrong field.

    `response_id` is fresh; the ids of items that have none are made of it.
    """
    body = {name: value for name, value in parse_object(raw).items() if value is not None}
    _check(body)
    given = body.get("input", [])
    items = [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else given
    return Asked(response_id, body, [_item(item, at, response_id) for at, item in enumerate(items)])


def item_id(kind: str, response_id: str, number: int, *, is_input: bool = False) -> str:
    """Return the id of an item of a response."""
    prefix = _PREFIXES.get(kind, "item")
    return f"{prefix}_{response_id.removeprefix('resp_')}{'i' if is_input else ''}{number:03d}"


def refuse(where: str, expected: str, found: object) -> NoReturn:
    """Raise the error for a value of the wrong kind."""
    part = found[:_LONGEST_SHOWN] if isinstance(found, str) else found
    shown = excerpt(json.dumps(part).decode())
    raise InvalidRequest(f"`{where}` must be {expected}, found {shown}.", param=where)


def _check(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        known = _KINDS.get(name)
        if known is not None and value.__class__ not in known[1]:
            refuse(name, known[0], value)
        if name in _LEAST and value < _LEAST[name]:
            refuse(name, _KINDS[name][0], value)
    model = body.get("model")
    if model is None:
        raise InvalidRequest("`model` is missing; it must be a non-empty string.", param="model")
    if not model or len(model) > _LONGEST_MODEL or not model.isprintable():
        refuse("model", f"1 to {_LONGEST_MODEL} printable characters", model)
    if "input" not in body and not ("previous_response_id" in body or "conversation" in body or "prompt" in body):
        raise InvalidRequest("`input` is missing; it must be a string or a list of items.", param="input")
    if "messages" in body:
        raise InvalidRequest("`messages` belongs to /v1/chat/completions; here it is `input`.", param="messages")
    if body.get("background") and body.get("store") is False:
        raise InvalidRequest("`background` needs `store`: the answer is fetched later.", param="background")
    if "previous_response_id" in body and "conversation" in body:
        raise InvalidRequest(
            "`previous_response_id` and `conversation` exclude each other; send one of them.", param="conversation"
        )


def _item(given: object, at: int, response_id: str) -> Item:
    """Return an item in its full form: with type and id, messages with a list of parts."""
    where = f"input[{at}]"
    if not isinstance(given, dict):
        refuse(where, "an object", given)
    kind = given.get("type") or ("message" if "role" in given else "item_reference" if "id" in given else None)
    if not isinstance(kind, str):
        raise InvalidRequest(f"`{where}.type` is missing; it says what the item is, for example message.", param=where)
    named = given.get("id")
    if named is not None and not isinstance(named, str):
        refuse(f"{where}.id", "a string", named)
    item = {**given, "type": kind, "id": named or item_id(kind, response_id, at, is_input=True)}
    return _message(item, where) if kind == "message" else item


def _message(item: Item, where: str) -> Item:
    role, content = item.get("role"), item.get("content")
    if role not in ("user", "assistant", "system", "developer"):
        refuse(f"{where}.role", "user, assistant, system or developer", role)
    if isinstance(content, str):
        part = {"type": "output_text", "annotations": []} if role == "assistant" else {"type": "input_text"}
        content = [{**part, "text": content}]
    if not isinstance(content, list):
        refuse(f"{where}.content", "a string or a list of parts", content)
    return {**item, "content": content, "status": item.get("status") or "completed"}
