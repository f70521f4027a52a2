"""Chunks to one completion, and a completion to chunks: what one says, the other says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from llms.protocol.chat import ChunkObject, CompletionObject

_CHUNK: Final = "chat.completion.chunk"
_COMPLETION: Final = "chat.completion"
_REASONING: Final = ("reasoning_content", "reasoning")
_EVERYWHERE: Final = frozenset({"id", "created", "model", "system_fingerprint", "service_tier"})
"""The top-level fields that stand in each chunk of a stream; all others are told once."""
_PADDING: Final = frozenset({"obfuscation"})
"""Random filling of OpenAI's chunks against eavesdroppers who count bytes; it says nothing."""


@final
@dataclass(frozen=True, slots=True)
class _Kind:
    """How an object of the stream grows."""

    streamed: frozenset[str] = frozenset()
    """Its strings that arrive in pieces."""
    nested: Mapping[str, _Kind] = field(default_factory=dict)
    """Its objects that grow in turn."""


_CALL: Final = _Kind(nested={"function": _Kind(frozenset({"arguments"})), "custom": _Kind(frozenset({"input"}))})
_MESSAGE: Final = _Kind(
    streamed=frozenset({"content", "refusal", *_REASONING}),
    nested={
        "function_call": _Kind(frozenset({"arguments"})),
        "audio": _Kind(frozenset({"data", "transcript"})),
    },
)
_CHOICE: Final = _Kind(nested={"logprobs": _Kind()})


@final
class Fold:
    """Fold the chunks of one stream to one completion, unknown fields included.

    Texts that are known to stream are joined, lists of a choice or a delta are extended, objects are merged
    field by field, and of anything else the last value that is neither null nor "" stays. At the top level the
    last value stays whole, because upstreams repeat what they send there (citations, timings). The order of
    choices and of tool calls is that of their `index`, which a completion's tool calls do not carry.
    """

    __slots__ = ("_choices", "_top")

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, objects: Sequence[ChunkObject]) -> None:
        """Take the next chunk objects, in order, with list-valued `choices`; they are never changed."""
        top = self._top
        for item in objects:
            for key, value in item.items():
                if key == "choices":
                    top.setdefault(key, None)
                    self._add_choices(value)
                elif key not in _PADDING and top.get(key, self) != value:
                    _replace(top, key, value)

    def completion(self) -> CompletionObject:
        """Return what has arrived so far; a choice that has not ended has None as its finish reason."""
        choices = [self._choices[index].whole(index) for index in sorted(self._choices)]
        return {**self._top, "object": _COMPLETION, "choices": choices}

    def _add_choices(self, choices: Sequence[Mapping[str, Any]]) -> None:
        for position, choice in enumerate(choices):
            index = choice.get("index", position)
            if index not in self._choices:
                self._choices[index] = _Choice()
            self._choices[index].add(choice)


@final
class _Choice:
    __slots__ = ("_calls", "_fields", "_message")

    def __init__(self) -> None:
        self._fields = _Growing(_CHOICE)
        self._message = _Growing(_MESSAGE)
        self._calls: dict[int, _Growing] | None = None

    def add(self, choice: Mapping[str, Any]) -> None:
        for key, value in choice.items():
            if key == "delta":
                self._add_delta(value or {})
            else:
                self._fields.put(key, value)

    def whole(self, index: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, **self._message.whole()}
        if self._calls is not None:
            message["tool_calls"] = [self._calls[position].whole() for position in sorted(self._calls)]
        if message["content"] == "" and _speaks_otherwise(message):
            message["content"] = None
        return {
            "index": index,
            "message": message,
            "logprobs": None,
            "finish_reason": None,
            **self._fields.whole(),
        }

    def _add_delta(self, delta: Mapping[str, Any]) -> None:
        for key, value in delta.items():
            if key == "tool_calls" and value is not None:
                self._add_calls(value)
            else:
                self._message.put(key, value)

    def _add_calls(self, fragments: Sequence[Mapping[str, Any]]) -> None:
        calls = self._calls = {} if self._calls is None else self._calls
        for position, fragment in enumerate(fragments):
            call = calls.setdefault(fragment.get("index", position), _Growing(_CALL))
            for key, value in fragment.items():
                if key != "index":
                    call.put(key, value)


@final
class _Growing:
    """One object that arrives in pieces."""

    __slots__ = ("_kind", "_nested", "_texts", "_values")

    def __init__(self, kind: _Kind) -> None:
        self._kind = kind
        self._values: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}
        self._nested: dict[str, _Growing] = {}

    def put(self, key: str, value: Any) -> None:
        kind = value.__class__
        if kind is str and key in self._kind.streamed:
            self._texts.setdefault(key, []).append(value)
        elif kind is dict and key in self._kind.nested:
            nested = self._nested.setdefault(key, _Growing(self._kind.nested[key]))
            for inner, piece in value.items():
                nested.put(inner, piece)
        elif kind is list or kind is dict:
            self._extend(key, value)
        else:
            _replace(self._values, key, value)

    def whole(self) -> dict[str, Any]:
        values = {key: value.copy() if value.__class__ is list else value for key, value in self._values.items()}
        texts = {key: "".join(pieces) for key, pieces in self._texts.items()}
        nested = {key: growing.whole() for key, growing in self._nested.items()}
        return {**values, **texts, **nested}

    def _extend(self, key: str, value: Any) -> None:
        known = self._values.get(key)
        if isinstance(known, list) and isinstance(value, list):
            known.extend(value)
        elif isinstance(known, dict) and isinstance(value, dict):
            self._values[key] = {**known, **value}
        else:
            self._values[key] = value.copy()


def _replace(values: dict[str, Any], key: str, value: Any) -> None:
    if key not in values or not (value is None or value == ""):
        values[key] = value


def _speaks_otherwise(message: Mapping[str, Any]) -> bool:
    return any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))


def unfold(completion: CompletionObject) -> list[ChunkObject]:
    """Return the chunks that a stream of this completion would have had; folding them gives it back.

    Per choice: its role and text (after its reasoning, where there is any), its tool calls whole, its finish
    reason. Usage and unknown top-level fields stand on the last chunk, unknown fields of a choice on its finish.
    What is no object where one has to be is left out: upstreams' answers come here as they are.
    """
    head = {"object": _CHUNK, **{key: value for key, value in completion.items() if key in _EVERYWHERE}}
    tail = {key: value for key, value in completion.items() if key not in {"object", "choices", *head}}
    choices = enumerate(_objects(completion.get("choices")))
    steps = [step for position, choice in choices for step in _steps(choice, position)]
    chunks: list[ChunkObject] = [{**head, "choices": [step]} for step in steps] or [{**head, "choices": []}]
    chunks[-1].update(tail)
    return chunks


def _steps(choice: Mapping[str, Any], position: int) -> Iterator[dict[str, Any]]:
    index = choice.get("index", position)
    logprobs = choice.get("logprobs")
    message = choice.get("message")
    for delta in _deltas(message if isinstance(message, dict) else {}):
        heard = logprobs if "content" in delta else None
        yield {"index": index, "delta": delta, "logprobs": heard, "finish_reason": None}
    ending = {key: value for key, value in choice.items() if key not in {"index", "message", "logprobs"}}
    yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": None, **ending}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    calls = _objects(message.get("tool_calls"))
    role = {"role": message.get("role", "assistant")}
    # Apart from the text and before it: some clients read only one of the two from a delta.
    thoughts = {key: message[key] for key in _REASONING if message.get(key)}
    if thoughts:
        yield {**role, **thoughts}
    apart = {"role", *thoughts, *({"tool_calls"} if calls else ())}
    rest = {key: value for key, value in message.items() if key not in apart}
    yield {**({} if thoughts else role), "content": None, **rest}
    if calls:
        yield {"tool_calls": [{"index": index, **call} | {"index": index} for index, call in enumerate(calls)]}


def _objects(found: object) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
