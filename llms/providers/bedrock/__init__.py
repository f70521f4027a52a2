"""Amazon Bedrock by its Converse API, without an SDK."""

from __future__ import annotations

from llms.providers.bedrock.provider import Bedrock, Options

__all__ = ["Bedrock", "Options"]
