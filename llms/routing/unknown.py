"""What a client is told about a model id that leads nowhere: always what it may ask for, or how to get it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from llms.protocol.errors import ModelNotFound, excerpt
from llms.routing.routes import Target

MOST_NAMED: Final = 3
"""Ids, or missing keys, that one message names."""


def unknown(name: str, *, near: Sequence[str], served: Sequence[str], skipped: Mapping[str, str]) -> ModelNotFound:
    """Return the error for an id that nothing here serves.

    `near` are ids that look like it, `served` some that exist; `skipped` maps a provider that is not in use to
    the reason.
    """
    lead = f'The model "{excerpt(name)}" does not exist here.'
    provider = name.partition("/")[0]
    if provider in skipped:
        return _not_found(f"{lead} The provider {because(provider, skipped[provider])}.")
    if near:
        return _not_found(f"{lead} Did you mean {_either(near)}? GET /v1/models lists every model.")
    here = f"This server has {', '.join(served[:MOST_NAMED])}. " if served else ""
    return _not_found(f"{lead} {here}{_ways_out(skipped)}")


def _either(ids: Sequence[str]) -> str:
    shown = [excerpt(one) for one in ids]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _ways_out(skipped: Mapping[str, str]) -> str:
    wanted = [because(provider, why) for provider, why in skipped.items()][:MOST_NAMED]
    example = "; ".join(wanted) or "for example OPENAI_API_KEY"
    return (
        f"Three ways to get another: put a provider's key into the environment ({example}); add a local model (llms "
        "pull smollm2, start Ollama, or a row of type llama_cpp with a folder of GGUF files); or give this name a "
        "target under `models:` in providers.yaml."
    )


def ambiguous(name: str, providers: Sequence[str]) -> ModelNotFound:
    """Return the error for a bare id that several providers list."""
    forms = [f"{provider}/{name}" for provider in providers]
    return _not_found(f'The model "{excerpt(name)}" is served by several providers. Ask for {_either(forms)}.')


def unusable(name: str, left_out: Iterable[tuple[Target, str]]) -> ModelNotFound:
    """Return the error for a name of `models:` none of whose targets can be used."""
    reasons = dict.fromkeys(because(target.provider, why) for target, why in left_out)
    return _not_found(f'The model "{excerpt(name)}" has no usable target: {"; ".join(reasons)}.')


def bad_default(error: ModelNotFound) -> ModelNotFound:
    """Return the error for an unknown id where `defaults.model` leads nowhere either."""
    return _not_found(f"defaults.model: {error.message}")


def because(provider: str, why: str) -> str:
    """Say why a provider is not in use: `groq: needs GROQ_API_KEY`."""
    return f"{provider}: {why}"


def _not_found(message: str) -> ModelNotFound:
    return ModelNotFound(message, param="model")
