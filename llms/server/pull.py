"""POST /api/pull: fetch a model file, told as a stream of events. A client that leaves stops it and may go on later."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, final

from aiohttp import web

from llms.protocol import json
from llms.protocol.errors import InvalidRequest, LlmsError
from llms.protocol.sse import encode
from llms.server.access import Access
from llms.server.body import read_json
from llms.server.errors import body
from llms.server.event_stream import EventStream
from llms.server.local_states import holders
from llms.server.services import Services

if TYPE_CHECKING:
    from llms.downloads.progress import Progress
    from llms.downloads.puller import Pulled

_LONGEST: Final = 16 * 1024
"""Bytes of a body."""
_PERIOD: Final = 0.25
"""Seconds between two events."""


@final
@dataclass(slots=True)
class Order:
    """What a client asked for, and how far it is."""

    source: str
    name: str | None
    sha256: str | None
    progress: Progress | None = None
    """The latest that the client has not heard."""

    def note(self, progress: Progress) -> None:
        """Keep the latest; as long as the hub is asked there is nothing to tell, and an error gets a status."""
        if progress.status != "listing":
            self.progress = progress


@final
class Pull:
    """Pull for clients, which may ask for the hub, the packaged models and public addresses."""

    def __init__(self, services: Services) -> None:
        """Take who pulls, and what streams need."""
        self._services = services

    async def post(self, request: web.Request, access: Access) -> web.StreamResponse:
        """Answer events until the model is there; what fails before the first has its status."""
        services = self._services
        order = _order(await read_json(request, services, limit=_LONGEST))
        events = EventStream(request, access, services)
        with services.running.request() as task:
            try:
                with services.running.told(task):
                    await self._tell(order, events)
            except LlmsError as error:
                await events.fail(error, lambda failure: encode(body(failure)))
            finally:
                events.close()
        return events.response

    async def _tell(self, order: Order, events: EventStream) -> None:
        work = self._services.tasks.spawn(self._pull(order), name="pull")
        try:
            while not work.done():
                await asyncio.wait([work], timeout=_PERIOD)
                latest, order.progress = order.progress, None
                if latest is not None and not work.done():
                    await events.commit()
                    await events.write(encode(json.dumps(asdict(latest))))
            outcome = work.result()
        finally:
            # The pull ends with its client; the part of the file that came stays.
            work.cancel()
            await asyncio.wait([work])
        if isinstance(outcome, LlmsError):
            raise outcome
        await events.commit()
        await events.done(encode(json.dumps(await self._done(outcome))))

    async def _pull(self, order: Order) -> Pulled | LlmsError:
        """Return the error, too: nobody may be there any more to take it."""
        try:
            return await self._services.puller().pull(
                order.source, name=order.name, sha256=order.sha256, is_guarded=True, report=order.note
            )
        except LlmsError as error:
            return error

    async def _done(self, pulled: Pulled) -> dict[str, Any]:
        """Return the last event; `id` is what to ask for, null when no provider offers the model."""
        name = pulled.model.name
        ids = [
            f"{holder.name}/{state.id}"
            for holder in holders(self._services)
            for state in await holder.states()
            if state.id.lower() == name.lower()
        ]
        return {"status": "done", "model": name, "id": ids[0] if ids else None, "size": pulled.model.size}


def _order(raw: bytes) -> Order:
    try:
        given = json.loads(raw)
    except ValueError:
        raise InvalidRequest("The body is not JSON.") from None
    if not isinstance(given, dict):
        raise InvalidRequest('The body must be an object: {"source": "hf:owner/repo"}.')
    for key in ("source", "name", "sha256"):
        if not isinstance(given.get(key), str | None) or (key == "source" and not given.get(key)):
            raise InvalidRequest(f"`{key}` must be text.", param=key)
    return Order(given["source"], given.get("name"), given.get("sha256"))
