"""What one worker does not have, a sibling may: handlers that ask the others, too. With one worker they do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from llms.protocol import json
from llms.protocol.errors import LlmsError
from llms.server.access import Access, Handler
from llms.server.services import Services
from llms.tasks import Tasks

if TYPE_CHECKING:
    from llms.server.siblings import Siblings
    from llms.stores.crew import Crew


def siblings_of(crew: Crew | None, *, tasks: Tasks) -> Siblings | None:
    """Return the other workers; None where there is one process."""
    if crew is None:
        return None
    from llms.server.siblings import Siblings

    return Siblings(crew, tasks=tasks)


def or_elsewhere(handler: Handler, services: Services, *absent: int) -> Handler:
    """Return a handler that passes on a sibling's answer where its own status, and not theirs, would be in `absent`."""
    siblings = services.siblings
    if siblings is None:
        return handler

    async def either(request: web.Request, access: Access) -> web.StreamResponse:
        try:
            return await handler(request, access)
        except LlmsError as error:
            if error.http_status not in absent or siblings.ask_for(request):
                raise
            found = await siblings.pass_on(request, access, absent)
            if found is None:
                raise
            return found

    return either


def and_elsewhere(handler: Handler, services: Services) -> Handler:
    """Return a handler for requests without a body that has the siblings do the same when it is done."""
    if services.siblings is None:
        return handler

    async def both(request: web.Request, access: Access) -> web.StreamResponse:
        response = await handler(request, access)
        await tell_siblings(services, request, access)
        return response

    return both


async def tell_siblings(services: Services, request: web.Request, access: Access, body: Any = None) -> None:
    """Have the siblings do what was done here, with a body that was read from the request."""
    siblings = _to_ask(services, request)
    if siblings is not None:
        await siblings.tell(request, access, body=None if body is None else json.dumps(body))


async def lists_elsewhere(services: Services, request: web.Request, access: Access) -> list[dict[str, Any]]:
    """Return what the siblings answer to this request, each an object."""
    siblings = _to_ask(services, request)
    if siblings is None:
        return []
    return [json.loads(body) for body in (await siblings.gather(request, access)).values()]


async def gauge_elsewhere(services: Services, request: web.Request, access: Access, gauge: str) -> float:
    """Return what a gauge says of the siblings together."""
    siblings = _to_ask(services, request)
    if siblings is None:
        return 0
    from llms.telemetry.summed import reading

    return sum(reading(page, gauge) for page in (await siblings.gather(request, access, path="/metrics")).values())


async def page_of_all(services: Services, request: web.Request, access: Access, page: bytes) -> bytes:
    """Return the metrics of all workers, or of this one where a sibling asks."""
    if services.siblings is None:
        return page
    pages = services.siblings.pages
    page = pages.own(page)
    siblings = _to_ask(services, request)
    return page if siblings is None else pages.of_all(page, await siblings.gather(request, access))


def _to_ask(services: Services, request: web.Request) -> Siblings | None:
    """Return the siblings, unless there are none or one of them asks."""
    siblings = services.siblings
    return None if siblings is None or siblings.ask_for(request) else siblings
