"""What the library says: its pieces as chunks, nearly OpenAI's already, and its failures in words that clients know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import orjson

from llms.protocol.chat import Chunk, ChunkObject
from llms.protocol.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    LlmsError,
    NotSupported,
    UpstreamError,
    UpstreamOutOfService,
    UpstreamUnavailable,
    excerpt,
)
from llms.providers.llama_cpp.load import Unloadable


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


@final
class LlamaFailures:
    """Make errors of one model; each names provider and model."""

    __slots__ = ("label",)

    def __init__(self, provider: str, model: str) -> None:
        """Take the names by which the model is known."""
        self.label = f"{provider}/{model}"

    def unloadable(self, reason: Exception) -> LlmsError:
        """Return the error for a model that cannot be loaded; another target may serve the request."""
        words = str(reason) if isinstance(reason, Unloadable) else f"loading failed: {excerpt(reason)}"
        return UpstreamOutOfService(f"{self.label}: {words}")

    def closed(self) -> LlmsError:
        """Return the error for a chat that comes while the provider is being closed."""
        return UpstreamUnavailable(f"{self.label}: the model is being unloaded")

    def gone(self, cause: str) -> LlmsError:
        """Return the error for a chat whose model's process died."""
        return UpstreamUnavailable(f"{self.label}: the model's process is gone: {cause}")

    def resting(self, trouble: str, seconds: float) -> LlmsError:
        """Return the error for a chat with a model that died while loading and is left alone for so long."""
        return UpstreamUnavailable(f"{self.label}: {trouble}", retry_after=seconds)

    def refusal(self, error: Mapping[str, Any]) -> LlmsError:
        """Return the error for the library's own `{code, message, type}`."""
        message = excerpt(str(error.get("message", "no reason given")))
        code = error.get("code")
        if error.get("type") == "exceed_context_size_error":
            return self._too_long(error)
        if "grammar" in message:
            return InvalidRequest(
                f"{self.label}: no grammar can be made of this JSON schema; it repeats too much or refers to itself",
                param="response_format",
            )
        if code == 400:
            return InvalidRequest(f"{self.label}: {message}")
        if code == 501:
            return NotSupported(f"{self.label}: {message}")
        if code == 503:
            return UpstreamUnavailable(f"{self.label}: {message}")
        return UpstreamError(f"{self.label}: {message}")

    def raised(self, failure: Exception) -> LlmsError:
        """Return the error for an exception of the library: it raises ValueError for requests it cannot read."""
        reason = excerpt(str(failure))
        message = f"{self.label}: {reason}"
        if isinstance(failure, ValueError):
            field = "grammar" if reason.startswith("`grammar`") else "response_format" if "schema" in reason else None
            return InvalidRequest(message, param=field)
        return UpstreamError(message)

    def _too_long(self, error: Mapping[str, Any]) -> LlmsError:
        return ContextLengthExceeded(
            f"This model's maximum context length is {error.get('n_ctx')} tokens, but the messages are "
            f"{error.get('n_prompt_tokens')} tokens long ({self.label}). Shorten them or raise the model's n_ctx.",
            param="messages",
        )
