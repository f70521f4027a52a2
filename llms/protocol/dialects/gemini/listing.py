"""Google's list of models, page by page, as the API reference's page "Models" has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.chat import ModelInfo
from llms.protocol.dialects.gemini.shapes import dicts
from llms.protocol.errors import UpstreamProtocolError

_USED: Final = frozenset({"generateContent", "embedContent"})
_TOLD: Final[Mapping[str, str]] = {
    "inputTokenLimit": "context_window",
    "outputTokenLimit": "max_output_tokens",
    "displayName": "display_name",
    "description": "description",
    "thinking": "thinking",
    "supportedGenerationMethods": "supported_generation_methods",
}


def read_models(item: Any, *, provider: str) -> list[ModelInfo]:
    """Return the models of one page that chat or make vectors; raise UpstreamProtocolError where it is none."""
    rows = item.get("models", []) if isinstance(item, dict) else None
    if not isinstance(rows, list):
        raise UpstreamProtocolError(f"{provider}: the upstream's model list is not a list")
    return [_model(row, provider) for row in dicts(rows) if _is_used(row)]


def next_page(item: Any) -> str:
    """Return what asks for the next page; empty after the last."""
    token = item.get("nextPageToken") if isinstance(item, dict) else None
    return token if isinstance(token, str) else ""


def _is_used(row: Mapping[str, Any]) -> bool:
    methods = row.get("supportedGenerationMethods")
    return bool(row.get("name")) and (not isinstance(methods, list) or not _USED.isdisjoint(map(str, methods)))


def _model(row: Mapping[str, Any], provider: str) -> ModelInfo:
    extra = {ours: row[name] for name, ours in _TOLD.items() if row.get(name) is not None}
    return ModelInfo(str(row["name"]).removeprefix("models/"), owned_by=provider, extra=extra)
