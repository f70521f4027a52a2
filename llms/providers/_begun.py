"""A chat that was sent at once, and whose answer is read in the calls that bring it: nobody waits for it in a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, final

from llms.protocol import json
from llms.protocol.chat import Chunk
from llms.protocol.refusals import is_error, request_id_of
from llms.protocol.stream import ChunkReader
from llms.providers._abilities import Asking
from llms.providers._connection import Connection
from llms.providers._http import SETTLE_SECONDS, Endpoint
from llms.providers.base import Lane
from llms.providers.beginning import Standing

_PLAIN_CODINGS: Final = ("", "identity")


@final
class BegunChat:
    """See `providers.beginning.Begun`. `resume` of the provider takes it over where it stands."""

    __slots__ = (
        "_connection",
        "_endpoint",
        "_is_mine",
        "_standing",
        "_then",
        "_timer",
        "asking",
        "reader",
        "stream",
        "upstream_id",
    )

    def __init__(self, connection: Connection, endpoint: Endpoint, *, asking: Asking, stream: bool) -> None:
        """Take a connection on which the request has gone out, put as in `asking`."""
        self._connection = connection
        self._endpoint = endpoint
        self._standing: Standing = "waiting"
        self._is_mine = True
        self._timer: asyncio.TimerHandle | None = None
        self._then: Callable[[], None] | None = None
        self.asking = asking
        self.stream = stream
        self.reader: ChunkReader | None = None
        """What has read the stream so far; None before its first bytes."""
        self.upstream_id = ""

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever something has changed."""
        self._connection.listen(listener)

    @property
    def standing(self) -> Standing:
        """Tell how the answer stands."""
        connection = self._connection
        if self._standing == "waiting":
            if not connection.status:
                return "odd" if connection.ended else "waiting"
            self._standing = self._judge()
        if self._standing == "plain" and (connection.overfull or (connection.ended and not connection.whole)):
            return "odd"
        return self._standing

    def _judge(self) -> Standing:
        """Tell from its head whether the answer is what was asked for."""
        headers = self._connection.headers
        kind = headers.get("content-type", "").lower()
        expected = kind.startswith("text/event-stream") if self.stream else not kind.startswith("text/")
        if self._connection.status != 200 or not expected or headers.get("content-encoding", "") not in _PLAIN_CODINGS:
            return "odd"
        self.upstream_id = request_id_of(headers, self._endpoint.secrets)
        if self.stream:
            settings = self._endpoint.settings
            self.reader = ChunkReader(
                provider=settings.name, max_event=settings.max_event, secrets=self._endpoint.secrets
            )
        return "plain"

    @property
    def is_whole(self) -> bool:
        """Tell whether the answer is here to its end."""
        return self._connection.whole

    def answer(self) -> Chunk | None:
        """Return a whole answer; None where it is none, and has to be looked at closely."""
        body = self._connection.arrived
        if len(body) > self._endpoint.settings.max_answer:
            return None
        try:
            item = json.loads(body)
        except ValueError:
            return None
        if item.__class__ is not dict or item.get("choices").__class__ is not list or not item["choices"]:
            return None
        if is_error(item):
            return None
        chunk = Chunk([item], [body])
        chunk.upstream_request_id = self.upstream_id
        return chunk

    def arrived(self) -> bytes:
        """Return what has arrived of a stream since the last call."""
        connection = self._connection
        data = connection.arrived
        if data:
            connection.drop()
        return data

    def lend(self, lane: Lane) -> None:
        """Let reads of the stream go past everybody, as far as `lane` takes them."""
        self._connection.lend(lane)

    def take_over(self) -> Connection:
        """Return the connection to whoever waits for the rest."""
        self._connection.listen(None)
        self._is_mine = False
        return self._connection

    def settle(self, then: Callable[[], None]) -> None:
        """Let go of the connection, once the end of the body has come after the last event; and call `then`."""
        connection = self._connection
        self._then = then
        connection.drop()
        if connection.ended:
            self._give_back()
            return
        connection.listen(self._settling)
        self._timer = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._give_back)

    def _settling(self) -> None:
        self._connection.drop()
        if self._connection.ended:
            self._give_back()

    def _give_back(self) -> None:
        self._listen_no_more()
        self._endpoint.pool.give(self._endpoint.origin, self._connection)
        self._is_mine = False
        then, self._then = self._then, None
        if then is not None:
            then()

    def abort(self) -> None:
        """Stop the upstream's work, unless somebody else has taken it over."""
        if self._is_mine:
            self._listen_no_more()
            self._then = None
            self._endpoint.pool.give(self._endpoint.origin, self._connection)

    def _listen_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._connection.listen(None)
