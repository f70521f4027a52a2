"""Whoever answers chats in the terminal: a server that runs, or an engine in this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from llms.protocol.chat import ChunkObject


class Answering(Protocol):
    """Something that can be asked."""

    @property
    def place(self) -> str:
        """Say in a word or two where the answers come from."""
        ...

    def chat(self, body: Mapping[str, Any]) -> AsyncGenerator[ChunkObject, None]:
        """Yield the chunks of an answer, of a whole one too; raise an LlmsError; aclose() stops the upstream."""
        ...

    async def models(self) -> Sequence[str]:
        """List the ids that may be asked for, the preferred ones first; raise an LlmsError."""
        ...
