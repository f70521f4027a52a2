"""LlamaNet's /generate and /generate/stream: a prompt in, text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, final

from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, Completion, Usage
from llms.protocol.dialects import Dialect, Telling, Told
from llms.protocol.envelope import envelope
from llms.protocol.errors import InvalidRequest, LlmsError, excerpt
from llms.protocol.parse import parse_chat, parse_object
from llms.protocol.sse import encode, escape_separators

_LEFT_OUT: Final = frozenset({"prompt", "stream", "stream_options"})
_NUMBERS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "top_k": ("an integer", (int,)),
    "repeat_penalty": ("a number", (int, float)),
}
"""Fields that chat completions don't know; all others are checked as theirs."""


@final
class GenerateDialect:
    """The prompt is a chat of one message, every other field is one of the chat's body."""

    __slots__ = ("_default_model",)
    opt_in: ClassVar[bool] = False

    def __init__(self, *, default_model: Callable[[], str | None]) -> None:
        """Take what names the model for requests that name none."""
        self._default_model = default_model

    def parse(self, raw: bytes, /, *, request_id: str, hops: int, stream: bool | None) -> ChatRequest:
        """Read a body; whether it is streamed is the route's business."""
        body = parse_object(raw)
        _check(body)
        fields = {name: value for name, value in body.items() if name not in _LEFT_OUT}
        if fields.get("model") is None:
            fields["model"] = self._model()
        chat = {**fields, "messages": [{"role": "user", "content": body["prompt"]}]}
        return parse_chat(json.dumps(chat), request_id=request_id, hops=hops, stream=stream is True)

    def whole(self, completion: Completion, told: Told, /) -> bytes:
        """Return the text and what it took."""
        choice = completion.object["choices"][0]
        text = choice["message"]["content"] or ""
        usage = told.usage
        return _text(
            {
                "text": text,
                "tokens_generated": usage.completion_tokens if usage is not None else int(bool(text)),
                "finish_reason": choice["finish_reason"],
                "model": completion.object["model"],
                **({"usage": completion.object["usage"]} if usage is not None else {}),
                "generation_time": round(told.seconds, 3),
            }
        )

    def telling(self, request: ChatRequest, /) -> Telling:
        """Return what tells a stream, and remembers its text."""
        return _Growing()

    def _model(self) -> str:
        model = self._default_model()
        if model is None:
            raise InvalidRequest(
                "`model` is missing, and this server has several and no default one: name one of GET /v1/models, "
                "or set defaults.model in providers.yaml.",
                param="model",
            )
        return model


@final
class _Growing:
    """Say with each event the text so far; it is kept as JSON, so that no event encodes it again."""

    __slots__ = ("_finish", "_model", "_pieces", "_so_far")

    def __init__(self) -> None:
        self._so_far = b""
        self._pieces = 0
        self._finish: str | None = None
        self._model = ""

    def chunk(self, chunk: Chunk, /) -> bytes:
        text = self._take(chunk)
        return self._event(text, b"false}") if text else b""

    def end(self, chunk: Chunk, told: Told, /) -> bytes:
        text = self._take(chunk)
        usage = told.usage
        if usage is not None:
            self._pieces = usage.completion_tokens
        rest = {
            "finish_reason": self._finish,
            "model": self._model,
            **({"usage": _figures(usage)} if usage is not None else {}),
            "generation_time": round(told.seconds, 3),
        }
        return self._event(text, b"true," + _text(rest)[1:])

    def error(self, error: LlmsError, /) -> bytes:
        return encode(_text(envelope(error)))

    def _take(self, chunk: Chunk) -> bytes:
        """Return the new text, as it stands between the quotes of JSON, and add it to what was said."""
        new = []
        for item in chunk.objects:
            self._model = item["model"]
            for choice in item["choices"]:
                if choice["index"]:
                    continue
                self._finish = choice.get("finish_reason") or self._finish
                if text := choice["delta"].get("content"):
                    new.append(text)
        self._pieces += len(new)
        told = _text("".join(new))[1:-1]
        self._so_far += told
        return told

    def _event(self, text: bytes, finished: bytes) -> bytes:
        return b'data: {"text":"%b","accumulated_text":"%b","tokens_generated":%d,"finished":%b\n\n' % (
            text,
            self._so_far,
            self._pieces,
            finished,
        )


def _check(body: Mapping[str, Any]) -> None:
    if "prompt" not in body:
        raise InvalidRequest("`prompt` is missing; it must be a non-empty string.", param="prompt")
    if not isinstance(body["prompt"], str) or not body["prompt"]:
        _refuse("prompt", "a non-empty string", body["prompt"])
    if "messages" in body:
        raise InvalidRequest("`messages` belongs to /v1/chat/completions; here is only `prompt`.", param="messages")
    for name, (expected, kinds) in _NUMBERS.items():
        if body.get(name) is not None and body[name].__class__ not in kinds:
            _refuse(name, expected, body[name])


def _refuse(name: str, expected: str, found: object) -> None:
    raise InvalidRequest(f"`{name}` must be {expected}, found {excerpt(json.dumps(found).decode())}.", param=name)


def _figures(usage: Usage) -> dict[str, int]:
    asked, answered = usage.prompt_tokens, usage.completion_tokens
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _text(value: object) -> bytes:
    return escape_separators(json.dumps(value))


_: type[Dialect] = GenerateDialect
