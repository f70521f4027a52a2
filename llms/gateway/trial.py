"""The smallest chat with one target, to learn whether it answers."""

from __future__ import annotations

from typing import Final

from llms.gateway.answering import Answering
from llms.gateway.exchange import Exchange
from llms.gateway.gateway import Gateway
from llms.protocol import json
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import LlmsError
from llms.protocol.parse import parse_chat

_ENOUGH: Final = 16
"""Tokens for models that think first: with fewer they refuse to begin."""


async def say_ok(
    gateway: Gateway, target: str, *, tokens: int, route: str, key_id: str = "", request_id: str = ""
) -> Exchange:
    """Have a target answer with a few tokens; raise an LlmsError.

    The newest models of OpenAI know the limit by its new name only.
    """
    chat = _chat(target, {"max_tokens": tokens}, request_id)
    try:
        return await _hear(await gateway.chat(chat, route=route, key_id=key_id))
    except LlmsError as error:
        if "max_completion_tokens" not in error.message:
            raise
    chat = _chat(target, {"max_completion_tokens": max(tokens, _ENOUGH)}, request_id)
    return await _hear(await gateway.chat(chat, route=route, key_id=key_id))


def _chat(target: str, limit: dict[str, int], request_id: str) -> ChatRequest:
    body = {"model": target, "stream": True, **limit, "messages": [{"role": "user", "content": "Say OK."}]}
    return parse_chat(json.dumps(body), request_id=request_id)


async def _hear(answer: Answering) -> Exchange:
    async with answer:
        async for _ in answer.chunks():
            pass
        return answer.exchange
