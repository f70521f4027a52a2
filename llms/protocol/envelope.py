"""Errors as JSON objects: the forms in which clients receive them."""

from __future__ import annotations

from typing import TypedDict

from llms.protocol.errors import LlmsError


class ErrorBody(TypedDict):
    """The four keys that every OpenAI client reads."""

    message: str
    type: str
    param: str | None
    code: str | None


class Envelope(TypedDict):
    """The JSON object of an error answer and of an error event."""

    error: ErrorBody


def envelope(error: LlmsError) -> Envelope:
    """Return the OpenAI form of an error."""
    return {
        "error": {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code,
        }
    }
