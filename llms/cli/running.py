"""Run the server: bind, announce, watch the file, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from aiohttp import web

from llms.app import Engine
from llms.cli.announce import announce
from llms.cli.output import fail
from llms.cli.ports import bind, joined
from llms.cli.settings import configuration, read, secrets_of
from llms.config.fixed import as_started
from llms.config.load import ConfigError, Problem
from llms.config.model import Config
from llms.server.admission import keys_required
from llms.server.hosts import is_loopback
from llms.server.runner import Runner
from llms.telemetry.batched import Batched
from llms.telemetry.log import RequestLog, configure
from llms.telemetry.redact import Redactor

if TYPE_CHECKING:
    from llms.stores.crew import Crew

_log = structlog.get_logger()
_WATCH_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 3.0
_ACCEPTING_TURNS: Final = 2
"""Of the event loop, in which it takes the connections that wait: closing the socket would reset them."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line asks for."""

    config: str | None
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    no_discover: bool = False
    no_ui: bool = False
    insecure: bool = False
    open_browser: bool = False
    log_level: str = "info"

    def apply(self, config: Config) -> Config:
        """Return the configuration with the flags in it."""
        given = {"host": self.host, "port": self.port, "workers": self.workers}
        server = config.server.changed(**{k: v for k, v in given.items() if v is not None})
        update: dict[str, Any] = {"server": server}
        if self.no_discover:
            update["discover"] = False
        if self.no_ui:
            update["ui"] = config.ui.changed(enabled=False)
        if self.insecure:
            update["keys"] = config.keys.changed(required=False)
        return config.changed(**update)


Stamp = tuple[int, int] | None
"""Time and size of the file of a configuration."""


class Start(NamedTuple):
    """What a process begins with."""

    config: Config
    stamp: Stamp
    """As it was when the file was read: no later change is missed."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What stays the same while configurations come and go."""

    flags: Flags
    port: int
    redactor: Redactor
    request_log: RequestLog
    lines: Batched
    """Held back for a moment, and written when the server ends."""


def run(flags: Flags) -> None:
    """Serve until told to stop."""
    config = flags.apply(configuration(flags.config))
    stamp = _stamp(config.source)
    _refuse_open_door(config)
    several = config.server.workers > 1
    sock = bind(config.server.host, config.server.port, shared=several)
    config = _with_port(config, sock.getsockname()[1])
    redactor = Redactor(secrets_of(config, os.environ))
    pretty = sys.stderr.isatty()
    lines = Batched(sys.stderr.buffer)
    log = configure(level=flags.log_level, pretty=pretty, stream=sys.stderr if pretty else lines, redactor=redactor)
    desk = Desk(flags, config.server.port, redactor, RequestLog(log), lines)
    if not several:
        _serve(desk, Start(config, stamp), sock)
        return
    from llms.cli.workers import supervise

    def work(crew: Crew, again: bool) -> None:
        start = _newest(desk, config) if again else Start(config, stamp)
        _serve(desk, start, joined(sock), crew=crew, first=not (crew.place or again))

    supervise(config.server.workers, work)


def _refuse_open_door(config: Config) -> None:
    if is_loopback(config.server.host):
        return
    if keys_required(config) and not config.keys.static:
        fail(
            f"Refused to listen on {config.server.host} without a key: whoever reaches it could use your providers. "
            "Set LLMS_API_KEY (or keys.static in providers.yaml), or say --insecure if you mean it."
        )


def _with_port(config: Config, port: int) -> Config:
    return config.changed(server=config.server.changed(port=port))


def _newest(desk: Desk, started: Config) -> Start:
    """Return what a worker begins with that replaces another one: what its siblings have by now."""
    if started.source is None:
        return Start(started, None)
    stamp = _stamp(started.source)
    try:
        config, _ = as_started(_with_port(desk.flags.apply(read(started.source)), desk.port), started)
    except ConfigError as error:
        _log.error("a worker begins with an old configuration", problems=str(error).splitlines())
        return Start(started, stamp)
    desk.redactor.update(secrets_of(config, os.environ))
    return Start(config, stamp)


def _serve(desk: Desk, start: Start, sock: socket.socket, *, crew: Crew | None = None, first: bool = True) -> None:
    main = _main(desk, start, sock, crew=crew, first=first)
    try:
        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(main)
    finally:
        with contextlib.suppress(OSError, ValueError):
            desk.lines.close()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where it is installed; it is faster and not needed."""
    if os.environ.get("LLMS_LOOP") == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _main(desk: Desk, start: Start, sock: socket.socket, *, crew: Crew | None, first: bool) -> None:
    config = start.config
    engine = Engine(config, observers=[desk.request_log], learn=desk.redactor.learn, crew=crew)
    runner = Runner(engine.application())
    await runner.setup()
    try:
        if crew is not None:
            await _open_to_siblings(runner, crew)
        site = web.SockSite(runner, sock, backlog=4096)
        await site.start()
        # Before anybody is told where we are: whoever knows may send a signal.
        stop = _on_signals()
        if config.source is not None:
            watching = _watch(desk, config.source, start.stamp, engine, _on_hangup())
            engine.tasks.spawn(watching, name="watch configuration")
        if first:
            announce(engine, config, open_browser=desk.flags.open_browser)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        await stop.wait()
        await _drain(engine, site, config.server.drain)
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS + 5):
                await runner.cleanup()


async def _open_to_siblings(runner: Runner, crew: Crew) -> None:
    path = crew.socket(crew.place)
    path.unlink(missing_ok=True)
    await web.UnixSite(runner, str(path)).start()


def _on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; a second one ends the process at once."""
    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, told)
        except (NotImplementedError, RuntimeError):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(told))
    return stop


async def _drain(engine: Engine, site: web.BaseSite, seconds: float) -> None:
    """Take nothing new, let what runs finish, end the rest with an error event."""
    for _turn in range(_ACCEPTING_TURNS):
        await asyncio.sleep(0)
    engine.drain()
    await site.stop()
    live = engine.gateway.live
    _log.info("draining", requests=len(live), seconds=seconds)
    deadline = asyncio.get_running_loop().time() + seconds
    while engine.is_busy and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - once in a life
        await asyncio.sleep(0.05)
    if engine.is_busy:
        _log.warning("ended with requests open", requests=len(live))
        engine.interrupt()
        await asyncio.sleep(0.1)


def _on_hangup() -> asyncio.Event:
    """Return an event that SIGHUP sets, on systems that have it."""
    told = asyncio.Event()
    with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, told.set)
    return told


async def _watch(desk: Desk, path: str, seen: Stamp, engine: Engine, told: asyncio.Event) -> None:
    """Put changes of the file in force: seen by its time stamp, or told by SIGHUP."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WATCH_SECONDS):
                await told.wait()
        stamp = _stamp(path)
        if stamp == seen and not told.is_set():
            continue
        seen = stamp
        told.clear()
        await _reload(desk, path, engine)


async def _reload(desk: Desk, path: str, engine: Engine) -> None:
    try:
        stamp = _stamp(path)
        if stamp is not None and not stamp[1]:
            # Editors empty a file before they write it; what comes next counts.
            raise ConfigError([Problem(0, 0, "", "the file is empty", None, "")], filename=path)
        config = _with_port(desk.flags.apply(await asyncio.to_thread(read, path)), desk.port)
    except ConfigError as error:
        _log.error("configuration not changed: the file has problems", problems=str(error).splitlines())
        return
    desk.lines.settle()  # what is told of requests so far may hold the old secrets
    desk.redactor.update(secrets_of(config, os.environ))
    await engine.reload(config)
    _log.info("configuration in force", file=path)


def _stamp(path: str | None) -> Stamp:
    try:
        found = os.stat(path or "")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
