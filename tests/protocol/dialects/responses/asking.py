"""Requests and answers for tests of the dialect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from llms.protocol.chat import ChatRequest, Usage
from llms.protocol.dialects.responses.asked import Asked, Item, read
from llms.protocol.dialects.responses.frame import Frame
from llms.protocol.dialects.responses.telling import ResponseTelling
from llms.protocol.dialects.responses.translation import translate

ID = "resp_0123456789abcdef"


@dataclass
class Told:
    usage: Usage | None = None
    seconds: float = 1.0


def asked(**fields: Any) -> Asked:
    return read(json.dumps({"model": "m", "input": "hi", **fields}).encode(), response_id=ID)


def chat_of(*history: Item, **fields: Any) -> ChatRequest:
    """Return the chat that a request becomes, nothing being in its way."""
    translation = translate(asked(**fields), history, request_id="r", hops=1)
    assert translation.obstacle is None
    return translation.request


def messages(*items: Item, **fields: Any) -> list[Any]:
    """Return the messages that items become."""
    found: list[Any] = chat_of(input=list(items), **fields).body["messages"]
    return found


def frame(**fields: Any) -> Frame:
    return Frame(asked(**fields), created=1_750_000_000, stored=True)


def telling(**fields: Any) -> ResponseTelling:
    return ResponseTelling(frame(**fields), now=lambda: 1_750_000_009.5)
