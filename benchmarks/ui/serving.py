"""A server with the files of the chat, a page that shows one answer, and answers at a steady pace."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files as packaged
from pathlib import Path
from typing import Final

from aiohttp import web

from benchmarks.ui.answers import tokens
from llms.server import ui_files, ui_page

_HERE: Final = Path(__file__).parent
_MODULES: Final = re.compile(r'\s*<(?:script type="module"|link rel="modulepreload")[^>]*>(?:</script>)?')
_BODY: Final = re.compile(r"<body>.*</body>", re.DOTALL)
_STAGE: Final = '<body><main id="answer"></main><script type="module" src="/bench/page.mjs"></script></body>'
_TICK: Final = 0.002


@asynccontextmanager
async def serving() -> AsyncGenerator[str]:
    """Serve on a free port of the loopback; yields the address."""
    app = web.Application()
    page = _Page()
    app.router.add_get("/", page.answer)
    app.router.add_get("/chat", page.answer_whole)
    app.router.add_get("/v1/models", _models)
    app.router.add_get("/bench/page.mjs", _script)
    app.router.add_get("/ui/{path:.+}", _file)
    app.router.add_post("/v1/chat/completions", _stream)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


class _Page:
    """The page of the chat under its own policy, whole, or with the renderer alone in it."""

    def __init__(self) -> None:
        page = ui_page.render(ui_files.read(packaged("llms") / "ui"), "bench")
        self._whole = page.file.body.decode()
        self._text = _BODY.sub(_STAGE, _MODULES.sub("", self._whole))
        self._policy = page.policy

    async def answer(self, _: web.Request) -> web.Response:
        return self._under_policy(self._text)

    async def answer_whole(self, _: web.Request) -> web.Response:
        return self._under_policy(self._whole)

    def _under_policy(self, text: str) -> web.Response:
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": self._policy})


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})


async def _script(_: web.Request) -> web.FileResponse:
    return web.FileResponse(_HERE / "page.mjs", headers={"Content-Type": "text/javascript"})


async def _file(request: web.Request) -> web.Response:
    path = request.match_info["path"].removeprefix("bench/")
    files = ui_files.read(packaged("llms") / "ui")
    file = ui_page.join_styles(files) if path == ui_page.STYLES else files.get(path)
    if file is None:
        raise web.HTTPNotFound
    return web.Response(body=file.body, headers={"Content-Type": file.kind})


async def _stream(request: web.Request) -> web.StreamResponse:
    """Send the pieces asked for, one event each, never later than they are due."""
    order = await request.json()
    pieces = tokens(order["kind"], order["tokens"])
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    start, sent = loop.time(), 0
    while sent < len(pieces):
        due = min(len(pieces), int((loop.time() - start) * order["rate"]) + 1)
        if due > sent:
            await response.write(b"".join(map(_event, pieces[sent:due])))
        sent = max(sent, due)
        await asyncio.sleep(_TICK)
    await response.write(_event("", finish="stop") + b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _event(text: str, finish: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()
