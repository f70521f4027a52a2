"""The library's pieces as chunks: nearly OpenAI's already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import orjson

from llms.protocol.chat import Chunk, ChunkObject
from llms.protocol.errors import LlmsError
from llms.providers._llama_failures import LlamaFailures


@final
class PieceReader:
    """Decode the pieces of one answer; keep their bytes where nothing had to change."""

    __slots__ = ("_created", "_failures", "error")

    def __init__(self, failures: LlamaFailures) -> None:
        """Take who words the errors."""
        self._failures = failures
        self._created: int | None = None
        self.error: LlmsError | None = None
        """What the library reported; the chunk returned came before it."""

    def read(self, pieces: Sequence[bytes]) -> Chunk | None:
        """Return the chunk objects of some pieces; None when they hold none."""
        objects: list[ChunkObject] = []
        payloads: list[bytes | None] = []
        for piece in pieces:
            item = orjson.loads(piece)
            if "error" in item:
                self.error = self._failures.refusal(item["error"])
                break
            if "prompt_progress" not in item:
                objects.append(item)
                payloads.append(None if self._mend(item) else piece)
        return Chunk(objects, payloads) if objects else None

    def _mend(self, item: dict[str, Any]) -> bool:
        """Tell whether an object had to change: `created` moves on with the clock, the first content is null."""
        created = item.get("created")
        if self._created is None:
            self._created = created
        item["created"] = self._created
        changed = created != self._created
        for choice in item["choices"]:
            delta = choice["delta"]
            if delta.get("content", "") is None:
                delta["content"] = ""
                changed = True
        return changed
