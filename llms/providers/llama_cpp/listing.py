"""What the list of models tells of a local one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llms.protocol.chat import ModelInfo
from llms.protocol.local import Phase
from llms.providers.llama_cpp.inventory import Item


def listed(item: Item, *, owner: str, state: Phase, problem: str, running: Mapping[str, Any]) -> ModelInfo:
    """Describe a model by its file and by what it does; one that cannot be loaded is listed with its `problem`.

    `running` is what only a loaded model knows.
    """
    extra = {**({"label": "demo"} if item.is_demo else {}), "context_window": item.wanted.n_ctx, **dict(_facts(item))}
    if problem:
        extra["problem"] = problem
    if "gpu_layers" in running:
        extra["gpu_layers"] = running["gpu_layers"]
    return ModelInfo(item.name, owned_by=owner, extra={**extra, "state": state})


def _facts(item: Item) -> Iterator[tuple[str, Any]]:
    """Yield what the file tells; what it does not tell is left out."""
    facts = item.facts
    if facts is None:
        return
    told = {
        "architecture": facts.architecture,
        "quantization": facts.quantization,
        "parameters": facts.parameters,
        "size_bytes": facts.size,
        "license": facts.license,
    }
    yield from ((name, value) for name, value in told.items() if value)
    yield "chat_template", facts.has_chat_template
    yield "capabilities", ["embeddings"] if item.wanted.embedding else list(facts.capabilities)
