"""Which requests are the same, so that one answer serves all of them."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from llms.protocol import json
from llms.protocol.chat import ChatRequest
from llms.protocol.native import Original
from llms.routing.routes import Route

_STREAMING: Final = frozenset({"stream", "stream_options"})
_RESPONSES: Final = "responses"


def identity(request: ChatRequest, route: Route, *, key_id: str, stream: bool) -> str | None:
    """Return what all equal requests of one key have in common; None for one that may be answered in several ways.

    Only temperature 0 counts as one way. How the answer is to be streamed makes no difference, but for usage on every
    chunk, and to a request in another dialect, whose answer may come in that dialect. A new list of targets makes it
    another request.
    """
    if not _is_deterministic(request):
        return None
    targets = [target.id for target in (*route.targets, *([route.overflow] if route.overflow else []))]
    what = [key_id, request.model, targets, request.hops, request.running_usage, _asked(request.body)]
    if request.original is not None:
        original = request.original
        chats = [_asked(chat) for chat in original.chats]
        what += [stream, original.dialect, _asked(original.body), original.headers, chats]
    return hashlib.sha256(json.dumps(what)).hexdigest()


def _is_deterministic(request: ChatRequest) -> bool:
    temperature = request.body.get("temperature")
    is_zero = temperature.__class__ in (int, float) and temperature == 0
    return is_zero and (request.original is None or not _is_stored(request.original))


def _is_stored(original: Original) -> bool:
    """Tell whether the answer is an object of its own, which may be fetched, continued and deleted later."""
    return original.dialect == _RESPONSES and original.body.get("store") is not False


def _asked(body: Any) -> dict[str, Any]:
    return {name: body[name] for name in sorted(body) if name not in _STREAMING}
