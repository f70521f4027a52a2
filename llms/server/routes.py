"""The URL table."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from llms.server.access import Door, Handler
from llms.server.api_routes import add_api_routes
from llms.server.chat import Chat
from llms.server.elsewhere import or_elsewhere
from llms.server.hot_route import HOT_ROUTE, HotRoute, Way
from llms.server.later import handler_of, handlers_of
from llms.server.media_routes import add_media_routes
from llms.server.message_routes import add_message_routes, message_way
from llms.server.models import Models
from llms.server.response_routes import add_response_routes
from llms.server.services import Services
from llms.server.session import Session
from llms.server.status import Status
from llms.server.unrouted import Everything, Unrouted

PUBLIC = True


def add_routes(app: web.Application, services: Services) -> None:
    """Fill the table. Every route under /v1 also answers without it; PUBLIC ones need no key."""
    door = Door(services)
    chat, models, session = Chat(services), Models(services), Session(services)

    def route(
        method: str,
        path: str,
        handler: Handler,
        *,
        public: bool = False,
        probe: bool = False,
        anthropic: bool = False,
    ) -> None:
        guarded = door.guard(handler, public=public, probe=probe, anthropic=anthropic)
        for verb in (method, "HEAD") if public and method == "GET" else (method,):
            app.router.add_route(verb, path, guarded, expect_handler=_leave_to_reader)

    app[HOT_ROUTE] = _hot_route(door, chat, services)
    for v1 in ("/v1", ""):
        route("POST", f"{v1}/chat/completions", chat.post)
        route("POST", f"{v1}/chat/completions/stream", chat.post_stream)
        for method, handler in (("GET", "streams.Streams.get"), ("DELETE", "streams.Streams.delete")):
            route(method, f"{v1}/streams/{{id}}", or_elsewhere(handler_of(handler, services), services, 404))
        route("POST", f"{v1}/embeddings", handler_of("embeddings.Embeddings.post", services))
        route("GET", f"{v1}/models", models.list_all)
        route("GET", f"{v1}/models/{{id:.+}}", models.get)

    add_message_routes(route, services)
    add_media_routes(route, services)
    add_response_routes(route, services)

    route("POST", "/generate", handler_of("generate.Generate.post", services))
    route("POST", "/generate/stream", handler_of("generate.Generate.post_stream", services))

    route("POST", "/api/session", session.open, public=PUBLIC)
    route("DELETE", "/api/session", session.close, public=PUBLIC)
    add_api_routes(route, services)

    _add_status(route, services)
    if services.ui:
        _add_page(route, services)
    _add_rest(app, door)


def _hot_route(door: Door, chat: Chat, services: Services) -> HotRoute:
    """Return what answers the plain requests among all."""
    plain = {
        "chat/completions": Way(door.guard(chat.post), door.inline(chat.begin)),
        "messages": message_way(door, services),
    }
    ways = {f"{v1}/{path}": way for path, way in plain.items() for v1 in ("/v1", "")}
    return HotRoute(services, ways, admits=door.inline(chat.admits))


def _add_status(route: Callable[..., None], services: Services) -> None:
    """Fill in what tells of the server itself."""
    status = Status(services)
    route("GET", "/health", status.health, public=PUBLIC, probe=True)
    route("GET", "/ready", status.ready, public=PUBLIC, probe=True)
    route("GET", "/metrics", status.metrics)
    route("GET", "/openapi.json", handlers_of("openapi.OpenApi")("get"))


def _add_page(route: Callable[..., None], services: Services) -> None:
    """Fill in the page and its files."""
    page = handlers_of("ui.Ui", lambda: services.config.ui.streaming)
    route("GET", "/", page("index"), public=PUBLIC)
    route("GET", "/ui/{path:.+}", page("file"), public=PUBLIC)


def _add_rest(app: web.Application, door: Door) -> None:
    """Fill in what answers everything else."""
    unrouted = Unrouted()
    rest = Everything("/{path:.*}")
    rest.add_route("OPTIONS", door.guard(unrouted.options, public=PUBLIC), expect_handler=_leave_to_reader)
    rest.add_route("*", door.guard(unrouted.any), expect_handler=_leave_to_reader)
    app.router.register_resource(rest)


async def _leave_to_reader(request: web.Request) -> None:
    """Let whoever reads the body answer `Expect: 100-continue`, after key and size are known to be right."""
