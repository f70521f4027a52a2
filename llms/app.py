"""The composition root: a configuration in, an aiohttp application out. Opens everything, closes everything."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import aiohttp
import structlog
from aiohttp import web

from llms import __version__
from llms.config.diff import diff
from llms.config.entered import EnteredKeys, keys_file
from llms.config.fixed import as_started
from llms.config.model import Config
from llms.downloads import new_puller
from llms.gateway import Fleet, Gateway
from llms.gateway.assemble import assemble, dropped
from llms.gateway.changes import Change, EnterKey, apply
from llms.gateway.described import Described
from llms.gateway.exchange import streams_among
from llms.gateway.listing import Listing
from llms.gateway.roster import Roster
from llms.model_facts.table import Table, look_up
from llms.policies.sessions import open_sessions
from llms.protocol.errors import LlmsError
from llms.protocol.events import Observer
from llms.providers import discover
from llms.providers._http_session import http_session
from llms.providers._pool import Pool
from llms.providers.base import Resources
from llms.routing.health import Health
from llms.server.admission import hosts_of, keys_of
from llms.server.elsewhere import siblings_of
from llms.server.errors import stopping
from llms.server.routes import add_routes
from llms.server.services import Services
from llms.stores import open_response_store, open_stream_store, open_usage_store
from llms.streaming.sessions import StreamSessions, new_stream_id
from llms.tasks import Tasks, count
from llms.telemetry.metrics import Metrics
from llms.telemetry.usage import UsageRecorder

if TYPE_CHECKING:
    from llms.stores.crew import Crew

_log = structlog.get_logger()
_PROBE_EVERY: Final = 60.0
_LIST_EVERY: Final = 300.0
SERVICES: Final = web.AppKey("services", Services)


@final
class Engine:
    """One running proxy: what `create_app` puts together, and the few things that may be asked of it."""

    def __init__(
        self,
        config: Config,
        *,
        environ: Mapping[str, str] | None = None,
        observers: Sequence[Observer] = (),
        learn: Callable[[Collection[str]], None] = lambda secrets: None,
        crew: Crew | None = None,
    ) -> None:
        """Prepare; nothing is opened before the application starts, but the file of entered keys is read.

        `observers` hear of every request, `learn` of every secret that is in no configuration; `crew` says
        which of several workers this one is.
        """
        self._environ = os.environ if environ is None else environ
        self._learn = learn
        self._crew = crew
        self._resume = config.resume.share_of(crew.count if crew else 1)
        place = data_dir(config, self._environ)
        keys = EnteredKeys(keys_file(self._environ))
        self._roster = Roster(config, environ=self._environ, data_dir=place, keys=keys, crew=crew)
        self._take_keys(keys.load())
        self._changing = asyncio.Lock()
        self._http: aiohttp.ClientSession | None = None
        self._rng = random.Random()  # noqa: S311 - shares load, guards nothing
        self.pool = Pool(clock=time.monotonic)
        """The connections to upstreams."""
        self._resources = Resources(
            http=self._session, pool=self.pool, clock=time.monotonic, now=time.time, environ=self._environ
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
        self.services = self._services(config, place)

    def application(self) -> web.Application:
        """Return the aiohttp application; starting and stopping it runs the engine."""
        app = web.Application(client_max_size=self._roster.config.server.max_body)
        app[SERVICES] = self.services
        app.cleanup_ctx.append(self._run)
        add_routes(app, self.services)
        return app

    async def reload(self, config: Config) -> None:
        """Put a new configuration in force; requests that run keep the one they began with."""
        before = self._roster.config
        config, kept = as_started(config, before)
        for setting in kept:
            _log.warning("this change needs a restart", setting=setting)
        for line in diff(before, config):
            _log.info("configuration changed", change=line)
        async with self._changing:
            self._take_keys(await asyncio.to_thread(self._roster.keys.load))
            self._roster.config = config
            self._resume = config.resume.share_of(self._crew.count if self._crew else 1)
            self.services.keys = keys_of(config)
            self.services.hosts = hosts_of(config)
            self.services.sessions.keep(self.services.keys.callers)
            await self._swap()
        self.tasks.spawn(self.find_local_servers(), name="find local servers")

    async def change(self, change: Change) -> None:
        """Put a change of the owner in force, in this process alone; raise an LlmsError.

        It lies over every later configuration. It is made to its end when the caller leaves.
        """
        work = self.tasks.spawn(self._change(change), name="change provider")
        error: LlmsError | None = await asyncio.shield(work)
        if error is not None:
            raise error

    def drain(self) -> None:
        """Take no new requests from now on."""
        self.services.draining = True

    @property
    def is_busy(self) -> bool:
        """Tell whether a request is under way, or a stream is still being read."""
        services, siblings = self.services, self.services.siblings
        relaying = siblings is not None and siblings.relaying
        return bool(self.gateway.live or services.streams.readers or services.running or relaying)

    def interrupt(self) -> None:
        """End every chat with an error, as an event where its stream has begun, that says the server stops."""
        for exchange in self.gateway.live:
            exchange.error = stopping()
        self.services.running.end(stopping())

    async def find_local_servers(self) -> None:
        """Look for local servers on their usual ports, where discovery is on; put a change in force."""
        config = self._roster.config
        if not config.discover:
            return
        found = await discover.local_servers(self._session(), self._environ, own_port=config.server.port)
        if self._roster.saw(found):
            await self._swap()

    @property
    def found(self) -> Mapping[str, discover.Found]:
        """Return the providers that the configuration has no row for, by name."""
        return self._roster.found

    def _services(self, config: Config, place: Path) -> Services:
        return Services(
            gateway=self.gateway,
            keys=keys_of(config),
            hosts=hosts_of(config),
            sessions=open_sessions(clock=time.monotonic, crew=self._crew),
            tasks=self.tasks,
            observers=self._observers,
            exposition=self._metrics.exposition,
            refresh=self._listing.refresh,
            clock=time.monotonic,
            now=time.time,
            puller=lambda: new_puller(place, self._environ),
            streams=StreamSessions(lambda: self._resume, tasks=self.tasks, new_id=new_stream_id),
            count_resumed=self._metrics.count_resumed,
            roster=self._roster,
            change=self.change,
            ask=self._listing.ask,
            described=Described(Table(partial(look_up, environ=self._environ)), fleet=self._fleet, now=time.time),
            data_dir=place,
            version=__version__,
            siblings=siblings_of(self._crew, tasks=self.tasks),
            ui=config.ui.enabled,
        )

    async def _run(self, app: web.Application) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close_session)
            stack.push_async_callback(self.pool.close)
            stack.push_async_callback(self._close_members)
            if self.services.siblings is not None:
                stack.push_async_callback(self.services.siblings.close)
            config, place = self._roster.config, self.services.data_dir
            store = self.services.usage = open_usage_store(config.stores.usage, data_dir=place)
            stack.push_async_callback(store.close)
            self._observers.append(UsageRecorder(store.add))
            kept = open_response_store(lambda: self._roster.config.responses, data_dir=place)
            self.services.responses = await stack.enter_async_context(kept)
            streams, live = partial(streams_among, self.gateway.live), partial(len, self.gateway.live)
            self._metrics.watch(
                active_requests=live, active_streams=streams, queued=self._queued, tasks=count, providers_up=self._up
            )
            self.services.streams.share(open_stream_store(config.stores.state))
            stack.push_async_callback(self.services.streams.close)
            stack.push_async_callback(self.tasks.close)
            self.tasks.spawn(self.find_local_servers(), name="find local servers")
            self.tasks.every(lambda: _PROBE_EVERY, self.find_local_servers, name="find local servers")
            self.tasks.spawn(self._listing.refresh(), name="list models")
            self.tasks.every(lambda: _LIST_EVERY, self._listing.refresh, name="list models")
            yield

    def _assemble(self, previous: Fleet | None = None) -> Fleet:
        config = self._roster.configuration()
        own, crew = self._resources, self._crew
        return assemble(config, resources=own, health=self._health, rng=self._rng, previous=previous, crew=crew)

    async def _change(self, change: Change) -> LlmsError | None:
        """Return the error, too: nobody may be there any more to take it."""
        if isinstance(change, EnterKey):
            self._learn({*self._roster.keys.values, change.key.get_secret_value()})
        async with self._changing:
            try:
                await asyncio.to_thread(apply, change, self._roster)
            except LlmsError as error:
                return error
            await self._swap()
        _log.info("provider changed", provider=change.provider, change=change.words)
        return None

    def _take_keys(self, problems: Iterable[str]) -> None:
        for problem in problems:
            _log.error("the file of entered keys", problem=problem, file=str(keys_file(self._environ)))
        self._learn(self._roster.keys.values)

    async def _swap(self) -> None:
        self._metrics.settle()  # with the models of the fleet that answered
        previous, self.gateway.fleet = self.gateway.fleet, self._assemble(self.gateway.fleet)
        self.tasks.spawn(self._listing.refresh(), name="list models")
        for member in dropped(previous, self.gateway.fleet):
            self.tasks.spawn(member.retire(), name=f"retire {member.row.name}")

    async def _close_members(self) -> None:
        await self.gateway.fleet.close()

    def _fleet(self) -> Fleet:
        return self.gateway.fleet

    def _knows(self, model: str) -> bool:
        return self.gateway.fleet.catalog.knows(model)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = http_session()
        return self._http

    async def _close_session(self) -> None:
        if self._http is not None:
            await self._http.close()

    def _cooldown(self, provider: str) -> float:
        member = self.gateway.fleet.members.get(provider)
        return member.row.cooldown if member else self._roster.config.defaults.cooldown

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
