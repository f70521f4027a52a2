"""The soak itself: start, let everything happen once, load, let it come to rest, and tell what was found."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from llms.testing.fake_upstream import FakeUpstream
from tests.e2e.process import Process, running
from tests.soak.case import Case, Kind
from tests.soak.clients import PATIENCE, Clients
from tests.soak.ledger import Ledger
from tests.soak.mix import MIX
from tests.soak.watch import Sample, figures, sample

TURN: Final = 0.02
"""Seconds between two looks at what is due."""
MOST: Final = 1500
"""Cases at once; a machine that cannot keep up gets fewer."""
REST_SECONDS: Final = 70.0
"""Longer than an idle connection to an upstream is kept."""
LULL_SECONDS: Final = 6.0
IDLE: Final = 4
"""Connections to the upstream that may always be there: each provider's models are listed now and then."""
REST_EVERY: Final = 0.25
_CONFIG: Final = """\
defaults:
  retries: 0
  cooldown: 1s
  heartbeat: 2s
  timeouts: {{first_chunk: 6s, idle: 5s, answer: 6s}}
resume: {{grace: 10s, keep: 20s, streams_per_caller: 1000}}
responses: {{max: 500}}
providers:
  up: {{type: openai_compatible, base_url: "{url}", api_key: sk-up}}
  frail: {{type: openai_compatible, base_url: "{url}", api_key: sk-frail}}
  both: {{type: openai_compatible, base_url: "{url}", api_key: sk-both, dialects: [messages, responses]}}
  anthropic: {{type: anthropic, base_url: "{root}", api_key: sk-claude}}
models:
  plain: {{targets: [up/plain-model]}}
  native: {{targets: [both/native-model]}}
  claude: {{targets: [anthropic/claude-model]}}
  safe: {{targets: [frail/frail-model, up/steady-model]}}
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long (seconds), how much (chunks a second), how often to look (seconds), and from which seed."""

    seconds: float
    warm_up: float
    rate: float
    every: float = 5.0
    seed: int = 1
    mix: Sequence[Kind] = MIX
    until_closed: bool = True
    """Wait for a minute at the end, until idle connections to the upstream are closed, too."""


@final
@dataclass
class Found:
    """What a soak found; `before` and `after` are at rest."""

    plan: Plan
    ledger: Ledger
    before: Sample
    after: Sample
    samples: list[Sample] = field(default_factory=list)
    """Under load, after the warm-up."""
    seconds: float = 0.0
    """How long there was load, the warm-up included."""
    counted: dict[str, float] = field(default_factory=dict)
    """The server's own metrics at the end."""
    complaints: list[str] = field(default_factory=list)
    """Lines of the server's log that tell of a defect."""


@final
class Soak:
    """One server, one upstream, many clients."""

    def __init__(self, plan: Plan, server: Process, upstream: FakeUpstream, *, tell: Callable[[Found], None]) -> None:
        self._plan = plan
        self._server = server
        self._upstream = upstream
        self._tell = tell
        self._clients = Clients(server.port)
        self._running: set[asyncio.Task[None]] = set()
        self._rng = random.Random(plan.seed)
        self._ledger = Ledger()
        upstream.on(self._ledger.answer)

    async def run(self) -> Found:
        """Let every kind happen, note what is held at rest, load, and note it again."""
        for kind in self._plan.mix:
            self._start(kind)
        before = await self._rest()
        found = Found(self._plan, self._ledger, before, before)
        started = asyncio.get_running_loop().time()
        watching = asyncio.create_task(self._watch(found))
        await self._load()
        found.seconds = asyncio.get_running_loop().time() - started
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        found.after = await self._rest(before)
        found.counted = await figures(self._server.port)
        found.complaints = _complaints(self._server.folder / "log")
        return found

    async def _load(self) -> None:
        """Start cases as the rate wants them, by the chunks that are due."""
        now, begun = asyncio.get_running_loop().time, 0
        started, weights = now(), [kind.weight for kind in self._plan.mix]
        while (elapsed := now() - started) < self._plan.seconds:
            while begun < elapsed * self._plan.rate and len(self._running) < MOST:
                [kind] = self._rng.choices(self._plan.mix, weights)
                begun += max(1, kind.chunks)
                self._start(kind)
            await asyncio.sleep(TURN)

    def _start(self, kind: Kind) -> None:
        task = asyncio.create_task(self._one(self._ledger.begin(kind)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _one(self, case: Case) -> None:
        """Ask one case and judge its answer; the upstream's side must be over, too. All else is a violation."""
        try:
            reply = await self._clients.ask(case)
            if reply is not None:
                self._ledger.judge(case, reply)
            for seen in case.seen:
                await seen.over(PATIENCE)
        except Exception as problem:
            self._ledger.violate(case, repr(problem)[:400])
        finally:
            self._ledger.end(case)
            self._upstream.requests.clear()

    async def _watch(self, found: Found) -> None:
        """Take samples after the warm-up."""
        now = asyncio.get_running_loop().time
        started = now()
        while True:
            await asyncio.sleep(self._plan.every)
            taken = await self._sample()
            found.seconds = now() - started
            if found.seconds >= self._plan.warm_up:
                found.samples.append(taken)
            found.after = taken
            self._tell(found)

    async def _rest(self, before: Sample | None = None) -> Sample:
        """Wait for the end of every case, and until no more is held than `before`; return the least that was held."""
        await asyncio.gather(*self._running)
        self._clients.forget()
        least = await self._sample()
        for _ in range(round((REST_SECONDS if before else LULL_SECONDS) / REST_EVERY)):
            await asyncio.sleep(REST_EVERY)
            least = least.least(await self._sample())
            closed = least.upstream <= IDLE or not self._plan.until_closed
            if before is not None and least.at_most(before) and closed:
                break
        return least

    async def _sample(self) -> Sample:
        return await sample(
            self._server.port, upstream=lambda: self._upstream.open_connections, clients=lambda: self._clients.open
        )


def _complaints(log: Path) -> list[str]:
    """Return what a log has of defects; a request that failed is a warning and none."""
    with log.open() as lines:
        return [line for line in lines if not line.startswith("{") or json.loads(line)["level"] == "error"]


async def soak(plan: Plan, folder: Path, *, tell: Callable[[Found], None] = lambda found: None) -> Found:
    """Run a soak with its files in a folder; `tell` hears what was found so far at each sample."""
    async with FakeUpstream() as upstream:
        config = _CONFIG.format(url=upstream.url, root=upstream.url.removesuffix("/v1"))
        async with running(config, folder, "--no-ui") as server:
            return await Soak(plan, server, upstream, tell=tell).run()
