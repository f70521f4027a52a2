"""The client for programs without an event loop: the same, on a loop in a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, Unpack, final

from llms.client.answers import Reply, StreamingChunk
from llms.client.asking import ChatFields, Messages
from llms.client.client import USUAL, USUAL_PATIENCE, AsyncClient
from llms.client.following import Progress
from llms.client.patience import Patience
from llms.client.stream import ChatStream
from llms.client.thread import LoopThread
from llms.protocol.chat import ModelInfo, Usage


@final
class BlockingStream:
    """A ChatStream to iterate over with `for`; leave early with `with` or `close()`, and the upstream stops."""

    def __init__(self, stream: ChatStream, thread: LoopThread) -> None:
        """Read `stream` on the loop of a thread; its `progress` is called there."""
        self._stream = stream
        self._thread = thread

    @property
    def id(self) -> str:
        """Return the server's name for the stream; empty before it began, and where it cannot be resumed."""
        return self._stream.id

    @property
    def reconnects(self) -> int:
        """Return how many times a lost connection was replaced, or should have been."""
        return self._stream.reconnects

    @property
    def text(self) -> str:
        """Return the text so far."""
        return self._stream.text

    @property
    def finish_reason(self) -> str | None:
        """Return why the answer ended; None before that, and where only its text could be had."""
        return self._stream.finish_reason

    @property
    def usage(self) -> Usage | None:
        """Return the tokens, once the upstream told them."""
        return self._stream.usage

    def __iter__(self) -> Self:
        """Return itself: a stream is read once."""
        return self

    def __next__(self) -> StreamingChunk:
        """Return the next piece."""
        piece = self._thread.run(self._next())
        if piece is None:
            raise StopIteration
        return piece

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what is not at its end."""
        self.close()

    def close(self) -> None:
        """Stop reading; an answer that is not at its end is cancelled."""
        self._thread.run(self._stream.aclose())

    def cancel(self) -> bool:
        """Cancel the answer, from any thread; its reader gets the error `cancelled`."""
        return self._thread.run(self._stream.cancel())

    async def _next(self) -> StreamingChunk | None:
        return await anext(self._stream, None)


@final
class Client:
    """AsyncClient for programs that block; `with` cancels what is under way and ends its thread."""

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
        self._client = AsyncClient(base_url, api_key=api_key, model=model, headers=headers, patience=patience)
        self._thread = LoopThread(self._client.close)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        self.close()

    def close(self) -> None:
        """Cancel what is under way, close the connections, end the thread."""
        self._thread.stop()

    def chat(self, messages: Messages, *, model: str = "", **fields: Unpack[ChatFields]) -> Reply:
        """Return the whole answer to a conversation, or to one message; raise a ClientError."""
        return self._thread.run(self._client.chat(messages, model=model, **fields))

    def chat_stream(
        self, messages: Messages, *, model: str = "", progress: Progress | None = None, **fields: Unpack[ChatFields]
    ) -> BlockingStream:
        """Return the answer as a stream; it is asked for with the first piece."""
        stream = self._client.chat_stream(messages, model=model, progress=progress, **fields)
        return BlockingStream(stream, self._thread)

    def generate(self, prompt: str, *, model: str = "", **fields: Unpack[ChatFields]) -> str:
        """Return the text of the answer to a prompt."""
        return self._thread.run(self._client.generate(prompt, model=model, **fields))

    def generate_stream(
        self, prompt: str, *, model: str = "", progress: Progress | None = None, **fields: Unpack[ChatFields]
    ) -> BlockingStream:
        """Return the answer to a prompt as a stream; one that breaks before its first piece is asked for whole."""
        stream = self._client.generate_stream(prompt, model=model, progress=progress, **fields)
        return BlockingStream(stream, self._thread)

    def cancel(self, stream_id: str) -> bool:
        """Cancel a stream by its id; tell whether it was under way. NotFound where there is none of this key's."""
        return self._thread.run(self._client.cancel(stream_id))

    def models(self) -> list[ModelInfo]:
        """Return the models that may be asked for."""
        return self._thread.run(self._client.models())

    def embed(self, texts: str | Sequence[str], *, model: str = "", dimensions: int | None = None) -> list[list[float]]:
        """Return one vector for each text, in order."""
        return self._thread.run(self._client.embed(texts, model=model, dimensions=dimensions))
