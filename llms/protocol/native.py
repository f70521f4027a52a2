"""Requests and answers in the client's own dialect, for targets that speak it: passed on, not translated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from llms.protocol import json

if TYPE_CHECKING:
    from llms.protocol.chat import Usage
    from llms.protocol.errors import InvalidRequest


class Original(NamedTuple):
    """A request as it stands in the client's dialect; the chat that it was translated to stands beside it."""

    dialect: str
    """The name that providers know the dialect by: `responses`, `messages` or `completions`."""
    body: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()
    """What the client says in headers of the dialect, for the upstream to hear."""
    refusal: InvalidRequest | None = None
    """Why it is not to be had of a target that does not speak the dialect; None where the chat asks for the same."""
    chats: tuple[Mapping[str, Any], ...] = ()
    """The bodies of several chats that it takes at a target that does not speak the dialect; empty for a single one."""

    def encode(self, model: str, *, stream: bool) -> bytes:
        """Return the JSON body for an upstream: every field of the client, with our `model` and `stream`."""
        body = {**self.body, "model": model}
        if stream or "stream" in body:
            body["stream"] = stream
        return json.dumps(body)


class Native(NamedTuple):
    """What one read brought from an upstream that speaks the client's dialect, and what was noted on the way."""

    wire: bytes
    """Whole events as they came, or the JSON text of a whole answer."""
    events: int = 1
    usage: Usage | None = None
    """The tokens, as far as the upstream told of them by now."""
    finish: str | None = None
    """How the answer ended, in the words of chat completions, once the upstream said so."""
    complete: bool = False
    """The upstream said that the answer is whole, as far as it is known by now."""
