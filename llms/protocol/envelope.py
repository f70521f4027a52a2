"""Errors as JSON objects: the forms in which clients receive them."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from llms.protocol.errors import LlmsError


class ErrorBody(TypedDict):
    """The four keys that every OpenAI client reads, and what is said of a stream that can be resumed."""

    message: str
    type: str
    param: str | None
    code: str | None
    stream_id: NotRequired[str]
    last_event_id: NotRequired[int]
    resumable: NotRequired[bool]
    retry_after: NotRequired[float | None]
    partial: NotRequired[str]


class Envelope(TypedDict):
    """The JSON object of an error answer and of an error event."""

    error: ErrorBody


def envelope(error: LlmsError) -> Envelope:
    """Return the OpenAI form of an error."""
    body: ErrorBody = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    if error.resuming is not None:
        body["stream_id"], body["last_event_id"], body["resumable"], partial = error.resuming
        body["retry_after"] = error.retry_after
        if partial is not None:
            body["partial"] = partial
    return {"error": body}
