"""What `llms doctor` looks at in the setup: configuration, keys, local servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import aiohttp

from llms.cli.doctor_installation import Finding, bad, ok, warn
from llms.cli.settings import read
from llms.config.load import ConfigError, without_file
from llms.config.model import Config
from llms.providers import discover
from llms.providers.known import KNOWN

_WITH_FILE = "Correct it; llms config check shows each line."


def read_setup(explicit: str | None) -> tuple[Config, list[Finding]]:
    """Return the configuration in force and what is wrong with it; without a valid one, that of no file."""
    try:
        config = read(explicit)
    except ConfigError as error:
        shown = [problem.render(error.filename).partition("\n")[0] for problem in error.problems]
        return without_file(), [bad("configuration", line, _WITH_FILE) for line in shown]
    if config.source is None:
        return config, [ok("configuration", "no file: providers are found by themselves (llms config init writes one)")]
    counts = f"{len(config.providers)} providers, {len(config.models)} models"
    left_out = [
        warn("configuration", f"provider {name} is left out: {reason}", "Set the variable, or remove the row.")
        for name, reason in config.skipped.items()
        if reason.startswith("needs ")
    ]
    return config, [ok("configuration", f"{config.source}: {counts}"), *left_out]


def setup(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what there is to say about keys and local servers."""
    yield keys(environ)
    yield from broken_keys(environ)
    yield asyncio.run(_local_servers(environ))


def keys(environ: Mapping[str, str]) -> Finding:
    """Tell which key variables are set, by name."""
    found = [name for name in _variables() if environ.get(name)]
    if found:
        return ok("keys", ", ".join(found))
    return warn("keys", "no key of a provider is in the environment", "For example: export OPENAI_API_KEY=…")


def broken_keys(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the variables whose value cannot be a key: copied with its quotes, a blank, a line break."""
    for name in _variables():
        value = environ.get(name, "")
        if value and (value != value.strip("\"'") or not value.isprintable() or " " in value):
            yield bad(name, "its value holds blanks, quotes or line breaks", f"export {name}=… with the key alone")


def _variables() -> list[str]:
    return list(dict.fromkeys(["LLMS_API_KEY", *(name for row in KNOWN.values() for name in row.key_variables)]))


async def _local_servers(environ: Mapping[str, str]) -> Finding:
    async with aiohttp.ClientSession() as http:
        found = await discover.local_servers(http, environ, own_port=None)
    if found:
        return ok("local servers", ", ".join(f"{row.name} ({row.why})" for row in found))
    return ok("local servers", "none answers (Ollama, LM Studio, llama-server, vLLM)")
