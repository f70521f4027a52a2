"""Find providers without configuration: keys in the environment, local servers, the embedded model."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from llms.providers.known import KNOWN, Known, hosted, local

_PROBE_SECONDS: Final = 1.0
MODELS_FOLDER: Final = "models"
"""Where in the data directory the models are that are offered without configuration."""
_LIBRARIES: Final[Mapping[str, str]] = {"llama-cpp-python": "llama_cpp", "xllamacpp": "xllamacpp"}
"""Packages and their modules."""
SERVER_NAME: Final = "llms"
"""Our own Server header: by it a node of ours is told from a foreign local server."""


@dataclass(frozen=True, slots=True)
class Found:
    """One provider that needs no row: its name, type and options, and how it was found."""

    name: str
    type: str
    options: Mapping[str, Any] = field(repr=False)
    why: str
    local: bool = False
    """A local server: it may go away."""


def from_environment(environ: Mapping[str, str]) -> list[Found]:
    """Return a provider for every known key variable that is set."""
    return [Found(row.name, row.name, row.options(environ), _variable(row, environ)) for row in hosted(environ)]


def embedded(data_dir: Path | None = None) -> Found | None:
    """Return the models that run here without configuration; None when no library for them is installed.

    They are the demo and, with a `data_dir`, all in its folder `models`, which need not be there yet.
    """
    if not libraries():
        return None
    options: dict[str, Any] = {"models": {"demo": {"path": "embedded"}}}
    if data_dir is None:
        return Found("local", "llama_cpp", options, "embedded demo model")
    folder = data_dir / MODELS_FOLDER
    return Found("local", "llama_cpp", {**options, "folder": str(folder)}, f"embedded demo model, and {folder}")


def libraries() -> list[str]:
    """Return the installed libraries that run local models, without importing them."""
    return [name for name, module in _LIBRARIES.items() if importlib.util.find_spec(module) is not None]


def local_hint() -> str | None:
    """Return how to get local models; None when they are there."""
    return None if libraries() else "local models need a library: pip install 'llms[local]'"


def missing(environ: Mapping[str, str]) -> list[Known]:
    """Return the hosted providers that have no key yet."""
    present = {row.name for row in hosted(environ)}
    return [row for row in KNOWN.values() if row.key_variables and row.name not in present]


async def local_servers(
    http: aiohttp.ClientSession, environ: Mapping[str, str], *, own_port: int | None
) -> list[Found]:
    """Ask the usual local ports, all at once and for a second at most; never our own address."""
    rows = [row for row in local() if row.port != own_port or row.options(environ)["base_url"] != row.base_url]
    answers = await asyncio.gather(*(_probe(http, row, environ) for row in rows))
    return [found for found in answers if found is not None]


async def _probe(http: aiohttp.ClientSession, row: Known, environ: Mapping[str, str]) -> Found | None:
    options = row.options(environ)
    if _is_broken(str(options["base_url"])):
        variable = next(name for name in row.url_variables if environ.get(name))
        return Found(row.name, row.name, options, f"{variable} is not an address", local=True)
    try:
        async with (
            asyncio.timeout(_PROBE_SECONDS),
            http.get(f"{options['base_url']}/models", allow_redirects=False) as answer,
        ):
            if answer.status != 200 or answer.headers.get("Server") == SERVER_NAME:
                return None
            listed = await answer.json(content_type=None)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return None
    if not isinstance(listed, dict) or not isinstance(listed.get("data", listed.get("models")), list):
        return None
    return Found(row.name, row.name, options, f"answers on port {row.port}", local=True)


def _is_broken(address: str) -> bool:
    try:
        return urlsplit(address).port == 0
    except ValueError:
        return True


def _variable(row: Known, environ: Mapping[str, str]) -> str:
    return next(name for name in row.key_variables if environ.get(name))
