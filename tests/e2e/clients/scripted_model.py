"""A library that tells the conversation of `story` in the process of a local model; it refuses one that lost a turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from llms.providers.llama_cpp.load import Load
from tests.e2e.clients.upstreams import CHAT, chat_chunks

LOADER = f"{__name__}:load"


class Telling:
    """Stand where a library does."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts

    def chat(self, number: int, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        past = CHAT.read(json.loads(body)).past
        if past != CHAT.expected(len(past)).past:
            raise ValueError(f"these turns were not told: {past}")
        for each in chat_chunks(len(past)):
            on_piece(json.dumps(each).encode())

    def stop(self, number: int) -> None:
        """Do nothing: it is over at once."""

    def embed(self, body: bytes) -> bytes:
        raise ValueError("it chats")


def load(wanted: Load) -> Telling:
    return Telling({"library": "scripted", "n_ctx": wanted.n_ctx})
