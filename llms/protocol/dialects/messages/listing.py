"""The list of models, in Anthropic's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def model_list(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the whole list as its only page."""
    data = [model_entry(entry) for entry in entries]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"data": data, "has_more": False, **ends}


def model_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return one model; what Anthropic itself told of it stays as it is."""
    made = datetime.fromtimestamp(entry.get("created") or 0, UTC)
    rest = {name: value for name, value in entry.items() if name not in ("object", "created", "owned_by")}
    named = {"display_name": entry["id"], "created_at": made.strftime("%Y-%m-%dT%H:%M:%SZ"), "lifecycle": "active"}
    return {**named, **rest, "type": "model"}
