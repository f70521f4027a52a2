"""The client: chats whole and streamed, models, embeddings."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self, Unpack, final
from weakref import WeakSet

from llms.client.answers import Reply
from llms.client.asking import ChatFields, Messages, chat_body
from llms.client.connection import Connection
from llms.client.errors import ServerFailed
from llms.client.following import Progress
from llms.client.patience import Patience
from llms.client.stream import ChatStream
from llms.protocol.chat import ModelInfo

USUAL: Final = "http://127.0.0.1:8000"
USUAL_PATIENCE: Final = Patience()


@final
class AsyncClient:
    """Ask a server of ours, or any that speaks OpenAI's chat completions; `async with` closes its connections."""

    def __init__(
        self,
        base_url: str = USUAL,
        *,
        api_key: str = "",
        model: str = "",
        headers: Mapping[str, str] | None = None,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        """Take the address, with or without `/v1`, and the model for calls that name none."""
        self._connection = Connection(base_url, api_key=api_key, headers=headers or {}, patience=patience)
        self._model = model
        self._streams: WeakSet[ChatStream] = WeakSet()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Cancel the streams that are not at their end, and close the connections."""
        for stream in list(self._streams):
            with suppress(RuntimeError):  # somebody reads it at this moment, and will find it cancelled
                await stream.aclose()
        await self._connection.close()

    async def chat(self, messages: Messages, *, model: str = "", **fields: Unpack[ChatFields]) -> Reply:
        """Return the whole answer to a conversation, or to one message; raise a ClientError."""
        body = chat_body(messages, model=self._chosen(model), stream=False, fields=fields)
        whole = await self._connection.json("POST", "chat/completions", body=body, wants="choices")
        choices = whole["choices"]
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise ServerFailed("The answer has no choices.", code="upstream_protocol_error")
        return Reply.of(whole)

    def chat_stream(
        self, messages: Messages, *, model: str = "", progress: Progress | None = None, **fields: Unpack[ChatFields]
    ) -> ChatStream:
        """Return the answer as a stream; it is asked for with the first piece."""
        body = chat_body(messages, model=self._chosen(model), stream=True, fields=fields)
        return self._started(body, progress, or_whole=False)

    async def generate(self, prompt: str, *, model: str = "", **fields: Unpack[ChatFields]) -> str:
        """Return the text of the answer to a prompt."""
        return (await self.chat(prompt, model=model, **fields)).text

    def generate_stream(
        self, prompt: str, *, model: str = "", progress: Progress | None = None, **fields: Unpack[ChatFields]
    ) -> ChatStream:
        """Return the answer to a prompt as a stream; one that breaks before its first piece is asked for whole."""
        body = chat_body(prompt, model=self._chosen(model), stream=True, fields=fields)
        return self._started(body, progress, or_whole=True)

    async def cancel(self, stream_id: str) -> bool:
        """Cancel a stream by its id; tell whether it was under way. NotFound where there is none of this key's."""
        answer = await self._connection.json("DELETE", f"streams/{stream_id}", wants="cancelled")
        return bool(answer["cancelled"])

    async def models(self) -> list[ModelInfo]:
        """Return the models that may be asked for."""
        answer = await self._connection.json("GET", "models", wants="data")
        listed = answer["data"] if isinstance(answer["data"], list) else []
        rows = [row for row in listed if isinstance(row, dict) and isinstance(row.get("id"), str)]
        return [ModelInfo.of(row["id"], row, owner="") for row in rows]

    async def embed(
        self, texts: str | Sequence[str], *, model: str = "", dimensions: int | None = None
    ) -> list[list[float]]:
        """Return one vector for each text, in order."""
        given = [texts] if isinstance(texts, str) else list(texts)
        wanted = {} if dimensions is None else {"dimensions": dimensions}
        body = {"model": self._chosen(model), "input": given, "encoding_format": "base64", **wanted}
        answer = await self._connection.json("POST", "embeddings", body=body, wants="data")
        try:
            rows = sorted(answer["data"], key=lambda row: int(row["index"]))
            vectors = [_vector(row["embedding"]) for row in rows]
        except (KeyError, TypeError, ValueError, binascii.Error, struct.error):
            vectors = []
        if len(vectors) != len(given):
            raise ServerFailed(f"The answer does not hold {len(given)} vectors.", code="upstream_protocol_error")
        return vectors

    def _started(self, body: Mapping[str, Any], progress: Progress | None, *, or_whole: bool) -> ChatStream:
        stream = ChatStream(self._connection, body, progress=progress, or_whole=or_whole)
        self._streams.add(stream)
        return stream

    def _chosen(self, model: str) -> str:
        if not (model or self._model):
            raise ValueError("name a model, here or for the whole client; models() lists them")
        return model or self._model


def _vector(found: Any) -> list[float]:
    """Read base64 of little-endian 32-bit floats, or the list of numbers that some servers send all the same."""
    if isinstance(found, str):
        raw = base64.b64decode(found, validate=True)
        return list(struct.unpack(f"<{len(raw) // 4}f", raw))
    return [float(number) for number in found]
