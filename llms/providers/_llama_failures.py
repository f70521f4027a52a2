"""What goes wrong in a local model, in the words and classes that clients know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

from llms.protocol.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    LlmsError,
    NotSupported,
    UpstreamError,
    UpstreamUnavailable,
    excerpt,
)

INSTALL: Final = "pip install 'llms[local]'"


class Unloadable(Exception):
    """A model that cannot be loaded; the text says why and what to do."""


@final
class LlamaFailures:
    """Make errors of one model; each names provider and model."""

    __slots__ = ("_label",)

    def __init__(self, provider: str, model: str) -> None:
        """Take the names by which the model is known."""
        self._label = f"{provider}/{model}"

    def unloadable(self, reason: Exception) -> LlmsError:
        """Return the error for a model that cannot be loaded; another target may serve the request."""
        words = str(reason) if isinstance(reason, Unloadable) else f"loading failed: {excerpt(reason)}"
        return UpstreamUnavailable(f"{self._label}: {words}")

    def closed(self) -> LlmsError:
        """Return the error for a chat that comes while the provider is being closed."""
        return UpstreamUnavailable(f"{self._label}: the model is being unloaded")

    def refusal(self, error: Mapping[str, Any]) -> LlmsError:
        """Return the error for the library's own `{code, message, type}`."""
        message = excerpt(str(error.get("message", "no reason given")))
        code = error.get("code")
        if error.get("type") == "exceed_context_size_error":
            return self._too_long(error)
        if "grammar" in message:
            return InvalidRequest(
                f"{self._label}: no grammar can be made of this JSON schema; it repeats too much or refers to itself",
                param="response_format",
            )
        if code == 400:
            return InvalidRequest(f"{self._label}: {message}")
        if code == 501:
            return NotSupported(f"{self._label}: {message}")
        if code == 503:
            return UpstreamUnavailable(f"{self._label}: {message}")
        return UpstreamError(f"{self._label}: {message}")

    def raised(self, failure: Exception) -> LlmsError:
        """Return the error for an exception of the library: it raises ValueError for requests it cannot read."""
        message = f"{self._label}: {excerpt(str(failure))}"
        if isinstance(failure, ValueError):
            return InvalidRequest(message, param="response_format" if "schema" in message else None)
        return UpstreamError(message)

    def _too_long(self, error: Mapping[str, Any]) -> LlmsError:
        return ContextLengthExceeded(
            f"This model's maximum context length is {error.get('n_ctx')} tokens, but the messages are "
            f"{error.get('n_prompt_tokens')} tokens long ({self._label}). Shorten them or raise the model's n_ctx.",
            param="messages",
        )
