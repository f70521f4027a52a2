"""An engine for the length of one verb: no port, no log, the same providers and routing as the server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from llms.app import Engine
from llms.cli.settings import secrets_of
from llms.config.model import Config
from llms.telemetry.log import configure
from llms.telemetry.redact import Redactor

PATIENCE: Final = 6.0
"""Seconds for all providers together to say what they serve; each has five of its own."""


@asynccontextmanager
async def running_engine(config: Config, *, keeps_usage: bool = False) -> AsyncIterator[Engine]:
    """Run the engine of a configuration, local servers found; `keeps_usage` writes its requests to the usage store."""
    redactor = Redactor(secrets_of(config, os.environ))
    configure(level="critical", pretty=False, stream=sys.stderr, redactor=redactor)
    engine = Engine(_of_a_verb(config, keeps_usage=keeps_usage), learn=redactor.learn)
    runner = web.AppRunner(engine.application(), access_log=None)
    await runner.setup()
    try:
        if config.discover:
            await engine.find_local_servers()
        yield engine
    finally:
        await runner.cleanup()


def _of_a_verb(config: Config, *, keeps_usage: bool) -> Config:
    """Return the configuration without an address of its own: whatever listens on that port is somebody else."""
    update: dict[str, object] = {"server": config.server.changed(port=0)}
    if not keeps_usage:
        update["stores"] = config.stores.changed(usage="none")
    return config.changed(**update)


async def ask_all(engine: Engine) -> dict[str, str]:
    """Have every provider say what it serves; return those that did not, with the reason."""
    try:
        async with asyncio.timeout(PATIENCE):
            await engine.services.refresh()
            # A round that was under way does not know the providers that were found since.
            await engine.services.refresh()
    except TimeoutError:
        pass
    silent = {}
    for name, member in engine.gateway.fleet.members.items():
        if member.problem or member.listed is None:
            silent[name] = member.problem.removeprefix(f"{name}: ") or f"no answer within {PATIENCE:g} s"
    return silent
