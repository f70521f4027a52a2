"""The composition root: a configuration in, an aiohttp application out. Opens everything, closes everything."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, final

import aiohttp
import structlog
from aiohttp import web

from llms.config.diff import diff
from llms.config.model import Config, ProviderRow
from llms.gateway import Fleet, Gateway
from llms.gateway.assemble import assemble, dropped
from llms.gateway.listing import Listing
from llms.policies.keys import Keys
from llms.policies.sessions import Sessions
from llms.protocol.events import Observer
from llms.providers import discover
from llms.providers._pool import Pool
from llms.providers.base import Resources
from llms.routing.health import Health
from llms.server.errors import stopping
from llms.server.hosts import Hosts, is_loopback
from llms.server.routes import add_routes
from llms.server.services import Services
from llms.stores import open_usage_store
from llms.tasks import Tasks
from llms.telemetry.metrics import Metrics
from llms.telemetry.usage import UsageRecorder

_log = structlog.get_logger()
_PROBE_EVERY: Final = 60.0
_LIST_EVERY: Final = 300.0
_MISSES: Final = 3
"""Probes in a row that a local server may miss before it counts as gone."""
_FIXED: Final = (
    ("server", "host"),
    ("server", "port"),
    ("server", "workers"),
    ("server", "data_dir"),
    ("stores", "usage"),
    ("ui", "enabled"),
)
SERVICES: Final = web.AppKey("services", Services)


@final
class Engine:
    """One running proxy: what `create_app` puts together, and the few things that may be asked of it."""

    def __init__(
        self, config: Config, *, environ: Mapping[str, str] | None = None, observers: Sequence[Observer] = ()
    ) -> None:
        """Prepare; nothing is opened before the application starts. `observers` hear of every request."""
        self._config = config
        self._environ = os.environ if environ is None else environ
        self._found: dict[str, discover.Found] = {}
        self._missed: dict[str, int] = {}
        self._http: aiohttp.ClientSession | None = None
        self._rng = random.Random()  # noqa: S311 - shares load, guards nothing
        self._pool = Pool(clock=time.monotonic)
        self._resources = Resources(
            http=self._session, pool=self._pool, clock=time.monotonic, now=time.time, environ=self._environ
        )
        self.tasks = Tasks()
        self._health = Health(clock=time.monotonic, cooldown=self._cooldown)
        self._metrics = Metrics(known_model=self._knows)
        self._listing = Listing(fleet=self._fleet, clock=time.monotonic, tasks=self.tasks)
        self._observers: list[Observer] = [self._metrics, *observers]
        self.gateway = Gateway(
            self._assemble(),
            health=self._health,
            observers=self._observers,
            clock=time.monotonic,
            now=time.time,
            rng=self._rng,
            refresh=self._listing.refresh,
        )
        self.services = Services(
            gateway=self.gateway,
            keys=_keys(config),
            hosts=_hosts(config),
            sessions=Sessions(clock=time.monotonic),
            tasks=self.tasks,
            observers=self._observers,
            exposition=self._metrics.exposition,
            refresh=self._listing.refresh,
            clock=time.monotonic,
            now=time.time,
            ui=config.ui.enabled,
        )

    def application(self) -> web.Application:
        """Return the aiohttp application; starting and stopping it runs the engine."""
        app = web.Application(client_max_size=self._config.server.max_body)
        app[SERVICES] = self.services
        app.cleanup_ctx.append(self._run)
        add_routes(app, self.services)
        return app

    async def reload(self, config: Config) -> None:
        """Put a new configuration in force; requests that run keep the one they began with."""
        config = _as_started(config, self._config)
        for line in diff(self._config, config):
            _log.info("configuration changed", change=line)
        self._config = config
        self.services.keys = _keys(config)
        self.services.hosts = _hosts(config)
        self.services.sessions.keep(self.services.keys.callers)
        await self._swap()
        self.tasks.spawn(self.find_local_servers(), name="find local servers")

    def drain(self) -> None:
        """Take no new requests from now on."""
        self.services.draining = True

    def interrupt(self) -> None:
        """End every chat with an error, as an event where its stream has begun, that says the server stops."""
        for exchange in self.gateway.live:
            exchange.error = stopping()
        self.services.running.end(stopping())

    async def find_local_servers(self) -> None:
        """Look for local servers on their usual ports, where discovery is on; put a change in force."""
        if not self._config.discover:
            return
        port = self._config.server.port
        found = await discover.local_servers(self._session(), self._environ, own_port=port)
        here = {row.name: row for row in found}
        known = {name for name, row in self._found.items() if row.local}
        self._missed = {name: self._missed.get(name, 0) + 1 for name in known - here.keys()}
        gone = [name for name, misses in self._missed.items() if misses >= _MISSES]
        if gone or here.keys() - known:
            for name in gone:
                del self._found[name]
            self._found.update(here)
            await self._swap()

    @property
    def found(self) -> Mapping[str, discover.Found]:
        """Return what discovery brought, by provider name."""
        return self._found

    async def _run(self, app: web.Application) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close_session)
            stack.push_async_callback(self._pool.close)
            stack.push_async_callback(self._close_members)
            store = open_usage_store(self._config.stores.usage, data_dir=data_dir(self._config, self._environ))
            stack.push_async_callback(store.close)
            self._observers.append(UsageRecorder(store.add))
            self._metrics.watch(
                active_requests=lambda: len(self.gateway.live), queue_depth=self._queued, providers_up=self._up
            )
            stack.push_async_callback(self.tasks.close)
            self.tasks.spawn(self.find_local_servers(), name="find local servers")
            self.tasks.every(lambda: _PROBE_EVERY, self.find_local_servers, name="find local servers")
            self.tasks.spawn(self._listing.refresh(), name="list models")
            self.tasks.every(lambda: _LIST_EVERY, self._listing.refresh, name="list models")
            yield

    def _assemble(self, previous: Fleet | None = None) -> Fleet:
        config = self._config
        if config.discover:
            found = {row.name: row for row in discover.from_environment(self._environ)}
            local = discover.embedded()
            self._found = {**found, **({local.name: local} if local else {}), **self._found}
            rows = {name: _row(row, config) for name, row in self._found.items() if name not in config.providers}
            config = config.model_copy(update={"providers": {**config.providers, **rows}})
        return assemble(config, resources=self._resources, health=self._health, rng=self._rng, previous=previous)

    async def _swap(self) -> None:
        previous = self.gateway.fleet
        self.gateway.fleet = self._assemble(previous)
        self.tasks.spawn(self._listing.refresh(), name="list models")
        for member in dropped(previous, self.gateway.fleet):
            self.tasks.spawn(member.retire(), name=f"retire {member.row.name}")

    async def _close_members(self) -> None:
        for member in self.gateway.fleet.members.values():
            await member.close()

    def _fleet(self) -> Fleet:
        return self.gateway.fleet

    def _knows(self, model: str) -> bool:
        return self.gateway.fleet.catalog.knows(model)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = _http_session()
        return self._http

    async def _close_session(self) -> None:
        if self._http is not None:
            await self._http.close()

    def _cooldown(self, provider: str) -> float:
        member = self.gateway.fleet.members.get(provider)
        return member.row.cooldown if member else self._config.defaults.cooldown

    def _up(self) -> dict[str, bool]:
        return {name: not member.problem for name, member in self.gateway.fleet.members.items()}

    def _queued(self) -> int:
        return sum(member.slots.waiting for member in self.gateway.fleet.members.values())


def create_app(config: Config, *, environ: Mapping[str, str] | None = None) -> web.Application:
    """Return an aiohttp application that serves a configuration."""
    return Engine(config, environ=environ).application()


def data_dir(config: Config, environ: Mapping[str, str]) -> Path:
    """Return where usage is kept: LLMS_DATA_DIR, server.data_dir, or the user's data directory."""
    given = environ.get("LLMS_DATA_DIR") or config.server.data_dir
    if given:
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_data_path("llms", appauthor=False)


def _as_started(config: Config, started: Config) -> Config:
    """Return a new configuration with what only a start can change as it was, above all where the server listens."""
    for section, key in _FIXED:
        value = getattr(getattr(started, section), key)
        found = getattr(config, section)
        if getattr(found, key) != value:
            _log.warning("this change needs a restart", setting=f"{section}.{key}")
            config = config.model_copy(update={section: found.model_copy(update={key: value})})
    return config


def keys_required(config: Config) -> bool:
    """Tell whether callers need a key: as configured; `auto` is off on loopback as long as there is no key."""
    required = config.keys.required
    return (bool(config.keys.static) or not is_loopback(config.server.host)) if required == "auto" else required


def _keys(config: Config) -> Keys:
    return Keys([key.get_secret_value() for key in config.keys.static], required=keys_required(config))


def _hosts(config: Config) -> Hosts:
    server = config.server
    return Hosts(bound=server.host, allowed=server.allowed_hosts, origins=server.cors_origins)


def _row(found: discover.Found, config: Config) -> ProviderRow:
    conduct = config.defaults.model_dump(exclude={"model"})
    return ProviderRow.model_validate(
        {**conduct, "name": found.name, "type": found.type, "options": dict(found.options)}
    )


def _http_session() -> aiohttp.ClientSession:
    """Make the one session towards upstreams: no cookies, no proxies, no redirects, no limits of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
    )
