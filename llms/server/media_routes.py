"""The part of the URL table for what is not chat: legacy completions, and all that is passed on as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from llms.server.access import Handler
from llms.server.later import handler_of
from llms.server.services import Services

PASSED_ON: Final = (
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
    "images/generations",
    "images/edits",
    "images/variations",
    "moderations",
    "rerank",
)
"""What is posted as JSON or as a form."""


def add_media_routes(route: Callable[[str, str, Handler], None], services: Services) -> None:
    """Fill it with `route(method, path, handler)`, below /v1 and without it; their code is imported when asked for."""
    completions = handler_of("completions.Completions.post", services)
    post = handler_of("passthrough.Passthrough.post", services)
    add_file = handler_of("files.Files.add", services)
    files = handler_of("files.Files.list_all", services)
    file = handler_of("files.Files.one", services)
    for v1 in ("/v1", ""):
        route("POST", f"{v1}/completions", completions)
        for path in PASSED_ON:
            route("POST", f"{v1}/{path}", post)
        route("POST", f"{v1}/files", add_file)
        route("GET", f"{v1}/files", files)
        route("GET", f"{v1}/files/{{id}}", file)
        route("DELETE", f"{v1}/files/{{id}}", file)
        route("GET", f"{v1}/files/{{id}}/content", file)
