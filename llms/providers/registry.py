"""The table of provider types: names and where they live. A provider's module is imported when a row needs it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

from llms.config.problems import Invalid, OptionProblem
from llms.config.section import Section
from llms.providers.base import Provider, ProviderFactory, ProviderSettings, Resources
from llms.providers.known import KNOWN

if TYPE_CHECKING:
    from pydantic import BaseModel

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
    from importlib import metadata

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
    except Invalid as invalid:
        return invalid.problems
    return []


def parse(kind: str, options: Mapping[str, Any]) -> object:
    """Return a row's own keys as the provider's Options, known types' presets filled in; raise Invalid."""
    preset: Mapping[str, object] = KNOWN[kind].options({}) if kind in KNOWN else {}
    model = _options_model(kind)
    if issubclass(model, Section):
        return model.read({**preset, **options})
    from llms.config.foreign import read

    return read(model, options)


def build(settings: ProviderSettings, resources: Resources) -> Provider:
    """Import a type's module and build one provider of it."""
    return _factory(settings.type)(settings, resources)


def option_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each type's own keys, for editors; types that cannot be imported are left out."""
    schemas = {}
    for kind in types():
        try:
            model = _options_model(kind)
        except ImportError:
            continue
        schemas[kind] = model.schema() if issubclass(model, Section) else model.model_json_schema()
        if kind in KNOWN:
            schemas[kind]["required"] = []
    return schemas


def _options_model(kind: str) -> type[Section] | type[BaseModel]:
    module = _module(kind)
    options = getattr(module, "Options", None)
    if not is_options(options):
        raise BrokenPlugin(f"{module.__name__} has no pydantic model Options")
    return options


def is_options(found: object) -> TypeGuard[type[Section] | type[BaseModel]]:
    """Tell whether something can be the `Options` of a provider: a section, or a pydantic model."""
    if not isinstance(found, type):
        return False
    if issubclass(found, Section):
        return True
    from pydantic import BaseModel

    return issubclass(found, BaseModel)


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
