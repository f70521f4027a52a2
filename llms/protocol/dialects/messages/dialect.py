"""POST /v1/messages, as the server sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Final, final

from llms.protocol import json
from llms.protocol.chat import ChatRequest, Completion
from llms.protocol.dialects import Dialect, Telling, Told
from llms.protocol.dialects.messages.asked import AskedChat, refusal_of
from llms.protocol.dialects.messages.checks import objects, refuse
from llms.protocol.dialects.messages.details import signed_only
from llms.protocol.dialects.messages.telling import MessagesTelling
from llms.protocol.dialects.messages.told import message_of
from llms.protocol.errors import InvalidRequest
from llms.protocol.native import Original
from llms.protocol.parse import parse_object
from llms.protocol.sse import escape_separators

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_LONGEST_MODEL: Final = 512
_FIELDS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "max_tokens": ("an integer", (int,)),
    "stream": ("true or false", (bool,)),
    "system": ("a string or a list of blocks", (str, list)),
    "stop_sequences": ("a list of strings", (list,)),
    "temperature": ("a number", (int, float)),
    "top_p": ("a number", (int, float)),
    "top_k": ("an integer", (int,)),
    "thinking": ("an object", (dict,)),
    "tools": ("a list", (list,)),
    "tool_choice": ("an object", (dict,)),
}


@final
class MessagesDialect:
    """Anthropic's Messages, for one request. Targets that speak it get the body as it is; others a chat made of it."""

    __slots__ = ("_asked", "_headers", "_request_id")
    opt_in: ClassVar[bool] = False

    def __init__(self, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Take what the client said in headers of the dialect, for targets that speak it."""
        self._headers = headers
        self._asked: Mapping[str, Any] = {}
        self._request_id = ""

    def parse(self, raw: bytes, /, *, request_id: str, hops: int, stream: bool | None) -> ChatRequest:
        """Read a body; what is in messages and tools is read by who has to translate it."""
        body = parse_object(raw)
        model = body.get("model")
        if not isinstance(model, str) or not 0 < len(model) <= _LONGEST_MODEL or not model.isprintable():
            refuse("model", f"a string of 1 to {_LONGEST_MODEL} printable characters", model)
        if not objects(body.get("messages"), "messages"):
            raise InvalidRequest("`messages` must hold at least one message.", param="messages")
        for name, (expected, kinds) in _FIELDS.items():
            if body.get(name) is not None and body[name].__class__ not in kinds:
                refuse(name, expected, body[name])
        self._asked, self._request_id = body, request_id
        messages = signed_only(body["messages"])
        sent = body if messages is body["messages"] else {**body, "messages": messages}
        return ChatRequest(
            AskedChat(body),
            model,
            body.get("stream") is True if stream is None else stream,
            hops=hops,
            request_id=request_id,
            original=Original("messages", sent, self._headers, refusal_of(body)),
        )

    def whole(self, completion: Completion, told: Told, /) -> bytes:
        """Return a whole message."""
        message = message_of(
            completion, told.usage, request_id=self._request_id, thinks=_thinks(self._asked), stops=_stops(self._asked)
        )
        return escape_separators(json.dumps(message))

    def telling(self, request: ChatRequest, /) -> Telling:
        """Return what tells the stream."""
        return MessagesTelling(
            request_id=self._request_id, model=request.model, thinks=_thinks(self._asked), stops=_stops(self._asked)
        )


def _thinks(asked: Mapping[str, Any]) -> bool:
    thinking = asked.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") not in (None, "disabled")


def _stops(asked: Mapping[str, Any]) -> Collection[str]:
    return [text for text in asked.get("stop_sequences") or () if isinstance(text, str)]


_: type[Dialect] = MessagesDialect
