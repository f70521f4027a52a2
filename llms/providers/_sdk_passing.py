"""What else an SDK can be asked for, where it has a method: images, speech, moderations."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final, final

from llms.protocol import json
from llms.protocol.errors import LlmsError, NotSupported, UpstreamProtocolError
from llms.protocol.passthrough import Passed, PassRequest
from llms.providers._sdk import Built, SdkClient
from llms.providers._sdk_failures import Failures
from llms.providers._sdk_objects import as_object

_METHODS: Final[Mapping[str, str]] = {
    "images/generations": "images.generate",
    "audio/speech": "audio.speech.create",
    "moderations": "moderations.create",
}
"""Bodies of JSON only: of a form, each SDK wants the parts in a way of its own."""
_NAMED: Final = ("model", "prompt", "input", "voice")
_JSON: Final = "application/json"
_SOUNDS: Final[Mapping[str, str]] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""What speech is, where the SDK does not say."""
_BYTES: Final = "application/octet-stream"


@final
class SdkPassing:
    """Call the method that a route stands for, and answer with what it gives."""

    def __init__(self, client: SdkClient, failures: Failures, *, limit: int) -> None:
        """Take who builds the SDK's client, and the most bytes that an answer may have."""
        self._client = client
        self._failures = failures
        self._limit = limit

    def passes(self, request: PassRequest) -> bool:
        """Tell whether there may be a method; the SDK itself is looked at when it is asked."""
        return request.path in _METHODS and request.fields is not None

    async def pass_on(self, request: PassRequest) -> Passed:
        """Return the answer; raise NotSupported where the SDK has no such method."""
        name = _METHODS[request.path]
        method = (await self._client.built()).method(name)
        if method is None:
            raise NotSupported(f"{self._failures.name}: the SDK of this model has no {name}", param="model")
        try:
            return self._answer(await self._call(method, request), request)
        except Exception as failure:
            error = self._failures.error(failure)
        # Outside of the block: what an SDK raised may hold a key, and must not hang on as context.
        raise error

    async def _call(self, method: Built, request: PassRequest) -> Any:
        fields = dict(request.fields or {})
        if fields.get("stream") or fields.get("stream_format") == "sse":
            raise NotSupported(f"{self._failures.name}: the SDK of this model cannot stream this here", param="stream")
        if request.model:
            fields["model"] = request.model
        found = method.create(**method.arguments_of(fields, hops=request.hops, given=_NAMED))
        return await found if inspect.isawaitable(found) else found

    def _answer(self, found: Any, request: PassRequest) -> Passed:
        """Read the HTTP answer that an SDK shows, plain bytes, or its object."""
        body = found if isinstance(found, bytes) else getattr(found, "content", None)
        kind = _kind(found, request)
        if not isinstance(body, bytes):
            item = as_object(found)
            if item is None:
                raise self._odd(f"gave a {type(found).__name__}, neither bytes nor an object")
            body, kind = json.dumps(item), _JSON
        if len(body) > self._limit:
            raise self._odd(f"gave more than {self._limit} bytes")
        return _Ready(body, kind)

    def _odd(self, what: str) -> LlmsError:
        return UpstreamProtocolError(f"{self._failures.name}: the SDK {what}")


def _kind(found: Any, request: PassRequest) -> str:
    """Return the Content-Type that came with an answer, at it or at the response that it holds, or what it must be."""
    for holder in (found, getattr(found, "response", None)):
        headers = getattr(holder, "headers", None)
        if headers is not None and (kind := headers.get("content-type")):
            return str(kind)
    if request.path != "audio/speech":
        return _BYTES
    return _SOUNDS.get(str((request.fields or {}).get("response_format") or "mp3"), _BYTES)


@final
class _Ready:
    """An answer that is there."""

    status: Final = 200

    def __init__(self, body: bytes, kind: str) -> None:
        self._body = body
        self.headers = {"content-type": kind, "content-length": str(len(body))}

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        self._body = b""
