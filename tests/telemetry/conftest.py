"""Events as the gateway would tell them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from llms.protocol.chat import Usage
from llms.protocol.events import RequestEnded

SUCCESS = RequestEnded(
    request_id="req-1",
    route="/v1/chat/completions",
    key_id="key-12345678",
    asked_model="smart",
    provider="openai",
    model="gpt-5.5",
    stream=True,
    status=200,
    outcome="ok",
    error_code=None,
    window=None,
    attempts=1,
    retries=0,
    fallbacks=0,
    finish_reason="stop",
    usage=Usage(prompt_tokens=120, completion_tokens=41, cached_tokens=10, reasoning_tokens=5, source="reported"),
    chunks=41,
    skipped=0,
    started=1_700_000_000.0,
    queued=0.002,
    ttft=0.25,
    duration=1.25,
    upstream_request_id="up-1",
)


@pytest.fixture
def ended() -> Callable[..., RequestEnded]:
    """Make the event of a streamed success, changed as asked."""

    def make(**changes: Any) -> RequestEnded:
        return SUCCESS._replace(**changes)

    return make


@pytest.fixture
def restored_log() -> Iterator[None]:
    """Leave the logging of the process as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("llms").setLevel(logging.NOTSET)
    structlog.reset_defaults()
