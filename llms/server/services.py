"""What the handlers work with: built once by the application, handed to each of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llms.config.model import Config
from llms.gateway import Gateway, Member
from llms.gateway.changes import Change
from llms.gateway.described import Described
from llms.gateway.roster import Roster
from llms.policies.keys import Keys
from llms.policies.sessions import Sessions
from llms.protocol.errors import LlmsError
from llms.protocol.events import Event, Observer
from llms.server.hosts import Hosts
from llms.server.request_ids import RequestIds
from llms.server.running import Running
from llms.stores.base import NoUsage, UsageStore
from llms.streaming.sessions import StreamSessions
from llms.tasks import Tasks

if TYPE_CHECKING:
    from llms.downloads.puller import Puller
    from llms.server.siblings import Siblings
    from llms.stores.responses import ResponseStore


@dataclass(slots=True)
class Services:
    """The one set of everything; `keys` and `hosts` are replaced when the configuration changes."""

    gateway: Gateway
    keys: Keys
    hosts: Hosts
    sessions: Sessions
    tasks: Tasks
    observers: Sequence[Observer]
    exposition: Callable[[], tuple[bytes, str]]
    """Returns the metrics page: body and content type."""
    refresh: Callable[[], Coroutine[Any, Any, None]]
    """Asks the providers what they serve, where that is not known or old."""
    clock: Callable[[], float]
    now: Callable[[], float]
    puller: Callable[[], Puller]
    """Returns who brings models into the data directory, made when it is first asked for."""
    streams: StreamSessions
    count_resumed: Callable[[], None]
    """Counts a stream that a client took up again."""
    roster: Roster
    """Every provider, those left out as well, and where each comes from."""
    change: Callable[[Change], Coroutine[Any, Any, None]]
    """Puts a change of the owner in force; raises an LlmsError."""
    ask: Callable[[Member, float], Coroutine[Any, Any, LlmsError | None]]
    """Asks one provider what it serves, for so many seconds; returns what went wrong."""
    described: Described
    """What is known of the models in service, prices among it."""
    data_dir: Path
    version: str
    usage: UsageStore = field(default_factory=NoUsage)
    responses: Callable[[], ResponseStore | None] = lambda: None
    """Returns what keeps responses, made when it is first asked for; None where nothing is kept."""
    siblings: Siblings | None = None
    """The other workers, where there are several."""
    ui: bool = True
    draining: bool = False
    running: Running = field(default_factory=Running)
    ids: RequestIds = field(default_factory=RequestIds)
    """One for each chat that is being answered."""

    @property
    def config(self) -> Config:
        """Return the configuration in force."""
        return self.gateway.fleet.config

    def emit(self, event: Event) -> None:
        """Tell every observer."""
        for observe in self.observers:
            observe(event)
