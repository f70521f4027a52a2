"""A request body becomes a `ChatRequest`, or an error that names the field and says what belongs there.

What is known is held to its type; what is unknown passes untouched, because upstreams have fields of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias, final

from llms.protocol import json
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import InvalidRequest, excerpt

_LARGE: Final = 16 * 1024
"""Bytes from which on the messages of a body are worth forwarding as they came."""
_LONGEST_MODEL: Final = 512
_SHORT_BODY: Final = 2048
"""Bytes up to which counting brackets is cheaper than walking the decoded body."""
_NEAR: Final = 40
"""Characters of broken JSON that are shown."""
_ENOUGH: Final = 1024
"""Of a long text no more is looked at for a message."""

_Path: TypeAlias = "tuple[_Path, str | int] | None"
"""Where a value stands: the holder's path and the key in it. Written out only when something is wrong."""


@final
@dataclass(frozen=True, slots=True)
class _Shape:
    """What a JSON value has to be; null is legal wherever it is not `required`."""

    expected: str
    """In words, after "must be"."""
    classes: tuple[type, ...]
    least: int | None = None
    """The smallest number."""
    filled: bool = False
    """Where it is required, neither "" nor [] will do."""
    items: _Shape | None = None
    fields: Mapping[str, _Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    variants: Mapping[str | None, _Shape] = field(default_factory=dict)
    """What an object also has to be by its `type`; None is for those without."""
    kinds: Mapping[type, bool] = field(init=False)
    """Each legal class, and whether more than the class has to be checked: one lookup settles most fields."""

    def __post_init__(self) -> None:
        deep = {list: self.items, dict: self.fields or self.required, int: self.least is not None}
        kinds = {kind: bool(deep.get(kind)) for kind in self.classes}
        object.__setattr__(self, "kinds", {type(None): False, **kinds})


def _list_of(items: _Shape, expected: str) -> _Shape:
    return _Shape(expected, (list,), items=items)


def _object(fields: Mapping[str, _Shape], *, required: tuple[str, ...] = ()) -> _Shape:
    return _Shape("an object", (dict,), fields=fields, required=required)


_FLAG: Final = _Shape("true or false", (bool,))
_NUMBER: Final = _Shape("a number", (int, float))
_INTEGER: Final = _Shape("an integer", (int,))
_COUNT: Final = _Shape("an integer of at least 0", (int,), least=0)
_POSITIVE: Final = _Shape("an integer of at least 1", (int,), least=1)
_TEXT: Final = _Shape("a string", (str,))
_NAME: Final = _Shape("a non-empty string", (str,), filled=True)
_OBJECT: Final = _object({})

_FUNCTION: Final = _object(
    {"name": _NAME, "description": _TEXT, "parameters": _OBJECT, "strict": _FLAG}, required=("name",)
)
_CALLED: Final = _object({"name": _NAME, "arguments": _TEXT}, required=("name",))
_WITH_FUNCTION: Final = _object({}, required=("function",))
_TOOL: Final = _Shape(
    "an object",
    (dict,),
    fields={"type": _NAME, "function": _FUNCTION},
    variants={"function": _WITH_FUNCTION},
)
_TOOL_CALL: Final = _Shape(
    "an object",
    (dict,),
    fields={"id": _TEXT, "type": _NAME, "function": _CALLED},
    variants={"function": _WITH_FUNCTION, None: _WITH_FUNCTION},
)
_IMAGE: Final = _Shape("a string or an object with a `url`", (str, dict), fields={"url": _TEXT}, required=("url",))
_PART: Final = _Shape(
    "an object with a `type`",
    (dict,),
    fields={"type": _NAME},
    required=("type",),
    variants={
        "text": _object({"text": _TEXT}, required=("text",)),
        "refusal": _object({"refusal": _TEXT}, required=("refusal",)),
        "image_url": _object({"image_url": _IMAGE}, required=("image_url",)),
        "input_audio": _object({"input_audio": _object({"data": _TEXT, "format": _TEXT})}),
        "file": _object({"file": _object({"file_data": _TEXT, "file_id": _TEXT, "filename": _TEXT})}),
    },
)
_MESSAGE: Final = _object(
    {
        "role": _NAME,
        "content": _Shape("a string or a list of parts", (str, list), items=_PART),
        "name": _TEXT,
        "refusal": _TEXT,
        "tool_call_id": _TEXT,
        "tool_calls": _list_of(_TOOL_CALL, "a list of objects"),
        "function_call": _CALLED,
        "audio": _OBJECT,
    },
    required=("role",),
)
_CHAT: Final = _object(
    {
        "model": _NAME,
        "messages": _Shape("a non-empty list of objects", (list,), filled=True),
        "stream": _FLAG,
        "stream_options": _object({"include_usage": _FLAG}),
        "temperature": _NUMBER,
        "top_p": _NUMBER,
        "presence_penalty": _NUMBER,
        "frequency_penalty": _NUMBER,
        "n": _POSITIVE,
        "max_tokens": _POSITIVE,
        "max_completion_tokens": _POSITIVE,
        "seed": _INTEGER,
        "stop": _Shape("a string or a list of strings", (str, list), items=_TEXT),
        "logprobs": _FLAG,
        "top_logprobs": _COUNT,
        "logit_bias": _OBJECT,
        "tools": _list_of(_TOOL, "a list of objects"),
        "tool_choice": _Shape("a string or an object", (str, dict)),
        "parallel_tool_calls": _FLAG,
        "functions": _list_of(_FUNCTION, "a list of objects"),
        "function_call": _Shape("a string or an object", (str, dict)),
        "response_format": _object({"type": _NAME}),
        "modalities": _list_of(_TEXT, "a list of strings"),
        "audio": _OBJECT,
        "prediction": _OBJECT,
        "web_search_options": _OBJECT,
        "reasoning_effort": _TEXT,
        "verbosity": _TEXT,
        "service_tier": _TEXT,
        "store": _FLAG,
        "metadata": _OBJECT,
        "user": _TEXT,
        "safety_identifier": _TEXT,
        "prompt_cache_key": _TEXT,
    },
    required=("model", "messages"),
)


def parse_chat(raw: bytes, *, request_id: str = "", hops: int = 0, stream: bool | None = None) -> ChatRequest:
    """Read the body of a chat completion request; `stream` is set where the route settles it.

    Raises InvalidRequest with the path of the first wrong field as `param`. The lower bounds are those that
    OpenAI, vLLM and others agree on: `max_tokens` of 0 is refused by all of them.
    """
    body = parse_object(raw)
    _check_fields(body, _CHAT, None)
    _check_messages(body["messages"])
    model: str = body["model"]
    if len(model) > _LONGEST_MODEL or not model.isprintable():
        _refuse((None, "model"), f"at most {_LONGEST_MODEL} printable characters", model)
    streams = body.get("stream") is True if stream is None else stream
    options = body.get("stream_options") if streams else None
    include_usage = options is not None and options.get("include_usage") is True
    running_usage = options is not None and options.get("continuous_usage_stats") is True
    large = raw if len(raw) > _LARGE else None
    return ChatRequest(body, model, streams, include_usage, hops, request_id, large, running_usage=running_usage)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Decode a body that has to be one JSON object of finite numbers, nested at most `json.MAX_DEPTH` deep.

    Raises InvalidRequest without a `param`.
    """
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise InvalidRequest(f"The request body {_fault(raw, error)}.") from None
    if body.__class__ is not dict:
        start = excerpt(raw[:_ENOUGH].decode(errors="replace").strip())
        raise InvalidRequest(f"The request body must be a JSON object, found {start}.")
    brackets_matter = len(raw) > _SHORT_BODY or raw.count(b"[") + raw.count(b"{") > json.MAX_DEPTH
    if brackets_matter and json.is_deeper_than(body):
        raise InvalidRequest(f"The request body is nested deeper than {json.MAX_DEPTH} levels.")
    found: dict[str, Any] = body
    return found


def _fault(raw: bytes, error: ValueError) -> str:
    if not raw.strip():
        return "is empty; send a JSON object"
    if b"\0" in raw[:4]:
        return "must be UTF-8, found UTF-16 or UTF-32"
    if raw.startswith(b"\xef\xbb\xbf"):
        return "starts with a byte order mark; send plain UTF-8"
    try:
        text = raw.decode()
    except UnicodeDecodeError as broken:
        return f"is not valid UTF-8 at byte {broken.start}"
    line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
    if line is None:
        return f"is not valid JSON: {excerpt(str(error).partition(';')[0])}"
    near = text[getattr(error, "pos", 0) :][:_NEAR]
    where = f"line {line}, column {column}" + (f", near {_shown(near)}" if near else ", where it ends")
    return f"is not valid JSON: {getattr(error, 'msg', 'syntax error')} at {where}"


def _check_fields(found: dict[str, Any], shape: _Shape, path: _Path) -> None:
    fields = shape.fields
    for name, value in found.items():
        known = fields.get(name)
        if known is None:
            continue
        deep = known.kinds.get(value.__class__)
        if deep is None:
            _refuse((path, name), known.expected, value)
        if deep:
            _check_inside(value, known, (path, name))
    for name in shape.required:
        if not found.get(name):
            _check_required(found, name, shape, path)
    if shape.variants:
        variant = shape.variants.get(found.get("type"))
        if variant is not None:
            _check_fields(found, variant, path)


def _check_inside(value: Any, shape: _Shape, path: _Path) -> None:
    if value.__class__ is dict:
        _check_fields(value, shape, path)
    elif shape.items is not None:
        _check_items(value, shape.items, path)
    elif shape.least is not None and value < shape.least:
        _refuse(path, shape.expected, value)


def _check_items(found: list[Any], shape: _Shape, path: _Path) -> None:
    for position, value in enumerate(found):
        deep = shape.kinds.get(value.__class__)
        if deep is None or value is None:
            _refuse((path, position), shape.expected, value)
        if deep:
            _check_fields(value, shape, (path, position))


def _check_required(found: Mapping[str, Any], name: str, shape: _Shape, path: _Path) -> None:
    known = shape.fields.get(name, _OBJECT)
    if name not in found:
        where = _written((path, name))
        raise InvalidRequest(f"`{where}` is missing; it must be {known.expected}.", param=where)
    if found[name] is None or known.filled:
        _refuse((path, name), known.expected, found[name])


def _check_messages(messages: list[Any]) -> None:
    for position, message in enumerate(messages):
        # A role and a text is what most messages are: they need no walk through the table.
        if (
            message.__class__ is dict
            and len(message) == 2
            and message.get("content").__class__ is str
            and message.get("role").__class__ is str
            and message["role"]
        ):
            continue
        if message.__class__ is not dict:
            _refuse(((None, "messages"), position), _MESSAGE.expected, message)
        _check_fields(message, _MESSAGE, ((None, "messages"), position))


def _refuse(path: _Path, expected: str, found: object) -> NoReturn:
    where = _written(path)
    raise InvalidRequest(f"`{where}` must be {expected}, found {_shown(found)}.", param=where)


def _written(path: _Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, key = path
        steps.append(f"[{key}]" if isinstance(key, int) else f".{key}")
    return "".join(reversed(steps)).removeprefix(".")


def _shown(value: object) -> str:
    """Return a value as JSON, cut short; a long string already before it is encoded."""
    part = value[:_ENOUGH] if isinstance(value, str) else value
    return excerpt(json.dumps(part).decode())
