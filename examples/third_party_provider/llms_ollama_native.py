"""A provider of `llms` in a package of its own: Ollama's native chat, one JSON object a line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from llms.protocol import json
from llms.protocol.errors import NotSupported, UpstreamProtocolError, UpstreamTruncated
from llms.protocol.refusals import Refusal, error_for
from llms.providers.base import ChatRequest, Chunk, ModelInfo, ProviderFactory, ProviderSettings, Resources
from llms.providers.http import Endpoint, Response


class Options(BaseModel):
    """A row's own keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field("http://127.0.0.1:11434", description="Where Ollama is.")
    api_key: SecretStr | None = Field(None, description="Sent as a Bearer token, for a hosted one.")


class OllamaNative:
    """Ask /api/chat."""

    def __init__(self, settings: ProviderSettings, resources: Resources) -> None:
        """Keep the row; there is nothing to open."""
        options: Options = settings.options
        key = options.api_key.get_secret_value() if options.api_key else ""
        self._settings = settings
        self._secrets = (key,) if key else ()
        self._http = Endpoint(settings, resources, base_url=options.base_url, secrets=self._secrets)
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._now = resources.now

    async def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield a chunk for each line; a whole answer is one line of the same form."""
        if request.body.get("tools"):
            raise NotSupported(f"{self._settings.name} calls no tools.", param="tools")
        asked = json.dumps({"model": request.model, "messages": request.body["messages"], "stream": stream})
        head = {
            "id": f"chatcmpl-{request.request_id}",
            "object": "chat.completion.chunk",
            "created": int(self._now()),
            "model": request.model,
        }
        async with self._http.request(self._http.head("POST", "api/chat", self._headers), asked) as response:
            if response.status != 200:
                raise await self._http.refuse(response)
            async for line in self._lines(response):
                told = self._read(line)
                yield Chunk.of({**head, **_said(told)})
                if told.get("done"):
                    return
        raise UpstreamTruncated(f"{self._settings.name}: the answer ended before it was done")

    async def models(self) -> Sequence[ModelInfo]:
        """List what Ollama has pulled."""
        async with self._http.request(self._http.head("GET", "api/tags", self._headers)) as response:
            if response.status != 200:
                raise await self._http.refuse(response)
            listed = self._http.decode(await response.whole(self._settings.max_answer))
        try:
            return [ModelInfo(each["name"], owned_by=self._settings.name) for each in listed["models"]]
        except (KeyError, TypeError):
            raise UpstreamProtocolError(f"{self._settings.name}: this is no list of models") from None

    async def _lines(self, response: Response) -> AsyncGenerator[bytes, None]:
        rest = b""
        while data := await response.read():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.strip():
                    yield line
            if len(rest) > self._settings.max_event:
                raise UpstreamProtocolError(f"{self._settings.name}: a line is too long")
        if rest.strip():
            yield rest

    def _read(self, line: bytes) -> dict[str, Any]:
        told = self._http.decode(line)
        if isinstance(told, dict) and "error" in told:
            raise error_for(Refusal(self._settings.name, 502, line, secrets=self._secrets))
        if not isinstance(told, dict) or not isinstance(told.get("message"), dict):
            raise UpstreamProtocolError(f"{self._settings.name}: a line of the answer is no message")
        return told


def _said(told: dict[str, Any]) -> dict[str, Any]:
    """Return choices, and usage at the end, as OpenAI's chunks have them."""
    message = told["message"]
    delta = {"role": "assistant", "content": message.get("content") or ""}
    if message.get("thinking"):
        delta["reasoning_content"] = message["thinking"]
    if not told.get("done"):
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    asked, answered = told.get("prompt_eval_count", 0), told.get("eval_count", 0)
    reason = "length" if told.get("done_reason") == "length" else "stop"
    usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": usage}


_: ProviderFactory = OllamaNative
