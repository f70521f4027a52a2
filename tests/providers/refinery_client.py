"""A client with AI Refinery's manners: a blocking constructor, strict objects, bare failures of aiohttp."""

from __future__ import annotations

import http
import json
import types
import urllib.request
from collections.abc import AsyncGenerator
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Delta(BaseModel):
    content: str | None = None
    role: Literal["assistant"] | None = None


class _ChunkChoice(BaseModel):
    index: int
    finish_reason: Literal["stop", "length"] | None = None
    delta: _Delta


class _Chunk(BaseModel):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[_ChunkChoice]
    usage: _Usage | None = None


class _Message(BaseModel):
    role: str
    content: str | None = None


class _Choice(BaseModel):
    index: int
    finish_reason: str | None
    message: _Message


class _Completion(BaseModel):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: _Usage | None = None


class _Model(BaseModel):
    id: str
    created: int
    object: str
    owned_by: str
    root: str
    parent: str | None
    permission: list[Any]


class _Page(BaseModel):
    object: str
    data: list[_Model]


class AuthenticationError(Exception):
    """What the constructor raises unless it is let in, whatever the reason."""

    status = http.HTTPStatus.UNAUTHORIZED


class _Completions:
    def __init__(self, base_url: str, headers: dict[str, str]) -> None:
        self._base_url = base_url
        self._headers = headers

    async def create(
        self,
        *,
        model: str,
        messages: list[Any],
        timeout: float | None = None,
        extra_headers: dict[str, str] | None = None,
        extra_body: object | None = None,
        **kwargs: Any,
    ) -> Any:
        payload = {"model": model, "messages": messages, "extra_body": extra_body, **kwargs}
        headers = {**self._headers, **(extra_headers or {})}
        if kwargs.get("stream"):
            return self._stream(payload, headers)
        limit = aiohttp.ClientTimeout(total=timeout or 60)
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(f"{self._base_url}/v1/chat/completions", json=payload, headers=headers) as response,
        ):
            response.raise_for_status()
            return _Completion.model_validate(await response.json())

    async def _stream(self, payload: dict[str, Any], headers: dict[str, str]) -> AsyncGenerator[_Chunk, None]:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self._base_url}/v1/chat/completions", json=payload, headers=headers) as response,
        ):
            response.raise_for_status()
            async for line in response.content:
                if not line.startswith(b"data: "):
                    continue
                if line.strip() == b"data: [DONE]":
                    return
                found = json.loads(line[6:])
                if "error" in found:
                    raise RuntimeError(f"Upstream error payload: {found}")
                yield _Chunk.model_validate(found)


class _Models:
    def __init__(self, base_url: str, headers: dict[str, str]) -> None:
        self._base_url = base_url
        self._headers = headers

    async def list(self, timeout: float | None = None, **kwargs: Any) -> _Page:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._base_url}/v1/models", headers=self._headers) as response,
        ):
            response.raise_for_status()
            return _Page.model_validate(await response.json())


class AsyncAIRefinery:
    """A client that asks its server for leave in its constructor, synchronously and without a time limit."""

    def __init__(
        self, api_key: str, base_url: str = "", default_headers: dict[str, str] | None = None, **kwargs: Any
    ) -> None:
        assert "max_retries" not in kwargs
        headers = {"Authorization": f"Bearer {api_key}", **(default_headers or {})}
        request = urllib.request.Request(f"{base_url}/authentication/validate", data=b"{}", headers=headers)
        try:
            with urllib.request.urlopen(request) as response:
                organization = json.load(response).get("organization_id")
        except OSError:
            organization = None
        if not organization:
            raise AuthenticationError("Failed to validate API key")
        self.chat = types.SimpleNamespace(completions=_Completions(base_url, headers))
        self.models = _Models(base_url, headers)
