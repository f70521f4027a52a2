"""Models that run on this machine through llama.cpp.

Each name is imported when it is first used: the child process of a model needs none of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from llms.providers.llama_cpp.options import ModelOptions, Options
    from llms.providers.llama_cpp.provider import LlamaCpp

__all__ = ["LlamaCpp", "ModelOptions", "Options"]

_HOMES: Final = {"LlamaCpp": "provider", "ModelOptions": "options", "Options": "options"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
