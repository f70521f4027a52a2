"""The table of provider types: names and where they live. A provider's module is imported when a row needs it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from types import ModuleType
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError

from llms.config.problems import OptionProblem
from llms.config.wording import problems_of
from llms.providers.base import Provider, ProviderFactory, ProviderSettings, Resources
from llms.providers.known import KNOWN

ENTRY_POINTS: Final = "llms.providers"

BUILT_IN: Final[Mapping[str, str]] = {
    "openai_compatible": "llms.providers.openai_compatible:OpenAICompatible",
    "anthropic": "llms.providers.anthropic:Anthropic",
    "azure": "llms.providers.azure:Azure",
    "bedrock": "llms.providers.bedrock:Bedrock",
    "gemini": "llms.providers.gemini:Gemini",
    "sdk": "llms.providers.sdk:SdkProvider",
    "llama_cpp": "llms.providers.llama_cpp:LlamaCpp",
    "echo": "llms.providers.echo:Echo",
}


class UnknownType(LookupError):
    """No provider of this type is built in or installed."""


class BrokenPlugin(ImportError):
    """The module of an installed package does not load; the message is one line and names the package's module."""


def types() -> list[str]:
    """Return every type that a row may name."""
    return sorted({*BUILT_IN, *KNOWN, *plugins()})


@lru_cache(maxsize=1)
def plugins() -> Mapping[str, str]:
    """Return the providers of installed packages: type -> "module:attribute"."""
    return {found.name: found.value for found in metadata.entry_points(group=ENTRY_POINTS)}


def location(kind: str) -> str:
    """Return where a type's factory is, as "module:attribute"; raise UnknownType."""
    found = BUILT_IN.get(kind)
    if found is None and kind in KNOWN:
        return BUILT_IN["openai_compatible"]
    found = found or plugins().get(kind)
    if found is None:
        raise UnknownType(kind)
    return found


def validate(kind: str, options: Mapping[str, Any]) -> Sequence[OptionProblem]:
    """Return what is wrong with the own keys of one row; nothing is built.

    A package that does not load is no mistake of the file: its provider is out of service, and the others serve.
    """
    try:
        parse(kind, options)
    except UnknownType:
        return [OptionProblem(("type",), f'unknown provider type "{kind}"', f"one of: {', '.join(types())}")]
    except BrokenPlugin:
        return []
    except ImportError as missing:
        return [OptionProblem(("type",), f'provider type "{kind}" cannot be loaded: {missing}')]
    except ValidationError as invalid:
        return problems_of(invalid, _options_model(kind))
    return []


def parse(kind: str, options: Mapping[str, Any]) -> BaseModel:
    """Return a row's own keys as the provider's Options, known types' presets filled in."""
    preset: Mapping[str, object] = KNOWN[kind].options({}) if kind in KNOWN else {}
    return _options_model(kind).model_validate({**preset, **options})


def build(settings: ProviderSettings, resources: Resources) -> Provider:
    """Import a type's module and build one provider of it."""
    return _factory(settings.type)(settings, resources)


def option_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each type's own keys, for editors; types that cannot be imported are left out."""
    schemas = {}
    for kind in types():
        try:
            schemas[kind] = _options_model(kind).model_json_schema()
        except ImportError:
            continue
        if kind in KNOWN:
            schemas[kind]["required"] = []
    return schemas


def _options_model(kind: str) -> type[BaseModel]:
    module = _module(kind)
    options = getattr(module, "Options", None)
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        raise BrokenPlugin(f"{module.__name__} has no pydantic model Options")
    return options


def _factory(kind: str) -> ProviderFactory:
    module, name = _module(kind), location(kind).partition(":")[2]
    factory = getattr(module, name, None)
    if not callable(factory):
        raise BrokenPlugin(f"{module.__name__} has no class {name}")
    return cast(ProviderFactory, factory)


def _module(kind: str) -> ModuleType:
    """Import the module of a type; whatever a foreign one raises is a BrokenPlugin."""
    name = location(kind).partition(":")[0]
    if kind in KNOWN or kind in BUILT_IN:
        return importlib.import_module(name)
    try:
        return importlib.import_module(name)
    except Exception as failure:
        words = " ".join(str(failure).split())
        raise BrokenPlugin(f"{name} does not load: {type(failure).__name__}: {words}") from failure
