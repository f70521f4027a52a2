"""OpenAI's chat completions: the dialect that is relayed, so that there is next to nothing to translate."""

from __future__ import annotations

from typing import ClassVar, final

from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, Completion
from llms.protocol.dialects import Dialect, Telling, TellTexts, Told
from llms.protocol.envelope import envelope
from llms.protocol.errors import LlmsError
from llms.protocol.parse import parse_chat
from llms.protocol.shape import Shape
from llms.protocol.sse import DONE, encode, encode_chunk, escape_separators


def _chunk(chunk: Chunk, /) -> bytes:
    data = chunk.wire
    if data is None:
        data = encode_chunk(chunk)
    return data if data.isascii() else escape_separators(data)


def tell_error(error: LlmsError, /) -> bytes:
    """Return what ends a stream that broke."""
    return encode(escape_separators(json.dumps(envelope(error))))


@final
class _Relay:
    """What all streams share: nothing has to be remembered."""

    __slots__ = ()
    chunk = staticmethod(_chunk)
    error = staticmethod(tell_error)

    def end(self, chunk: Chunk, told: Told, /) -> bytes:
        return _chunk(chunk) + DONE

    def growing(self, shape: Shape, /) -> TellTexts:
        return (shape.chat or shape).wire


def text_of(event: bytes) -> str:
    """Return the text that one event brings to choice 0."""
    try:
        item = json.loads(event.rpartition(b"data: ")[2])
    except ValueError:
        return ""
    choices = item.get("choices") or ()
    found = (choice["delta"].get("content") for choice in choices if choice["index"] == 0)
    return "".join(text for text in found if isinstance(text, str))


@final
class ChatDialect:
    """Chat completions as they are."""

    __slots__ = ("_relay",)
    opt_in: ClassVar[bool] = True
    parse = staticmethod(parse_chat)
    wire = staticmethod(escape_separators)

    def __init__(self) -> None:
        self._relay = _Relay()

    def whole(self, completion: Completion, told: Told, /) -> bytes:
        """Return the upstream's own text."""
        return escape_separators(completion.payload)

    def telling(self, request: ChatRequest, /) -> Telling:
        """Return what passes chunks on as they are."""
        return self._relay


_: Dialect = ChatDialect()
