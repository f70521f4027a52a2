"""POST /v1/chat/completions: the main job, and every other way to ask for a chat, each in its own dialect."""

from __future__ import annotations

from functools import partial
from typing import Final, final

from aiohttp import web

from llms.gateway import Answering
from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.dialects import Dialect, Telling, TellsWire
from llms.protocol.dialects.chat import ChatDialect
from llms.protocol.dialects.passed import Passed
from llms.protocol.errors import LlmsError
from llms.protocol.opt_in import NOTHING, opted_in
from llms.protocol.progress import Progress
from llms.protocol.sse import PING
from llms.server.access import Access
from llms.server.body import check_type, plain_json, read_json
from llms.server.event_stream import EventStream
from llms.server.inline_chat import InlineChat
from llms.server.plain_exchange import Asked, PlainExchange
from llms.server.routing_headers import routing_headers
from llms.server.running import Task
from llms.server.services import Services
from llms.server.sinks import told, unchanged
from llms.server.whole_answer import WholeAnswer
from llms.streaming.progress import Waiting

OPT_IN: Final = "X-LLMS-Stream"
"""The header in which a client lists what it wants beyond a plain stream."""
_CHAT: Final = ChatDialect()


@final
class Chat:
    """Answer chats of one dialect, streamed and whole."""

    def __init__(self, services: Services, dialect: Dialect = _CHAT, *, ping: bytes = PING) -> None:
        """Take the gateway and what streams need; a `ping` is what they send in silence."""
        self._services = services
        self._dialect = dialect
        self._ping = ping
        self._wire = dialect.wire if isinstance(dialect, TellsWire) else None

    async def post(self, request: Asked, access: Access) -> web.StreamResponse:
        """Answer as the body's `stream` says."""
        return await self._answer(request, access, stream=None)

    async def post_stream(self, request: Asked, access: Access) -> web.StreamResponse:
        """Answer as a stream, whatever the body says."""
        return await self._answer(request, access, stream=True)

    async def post_whole(self, request: Asked, access: Access) -> web.StreamResponse:
        """Answer as a whole, whatever the body says."""
        return await self._answer(request, access, stream=False)

    def admits(self, request: PlainExchange, access: Access) -> bool:
        """Tell from its head whether a request may be one for a chat; raise an LlmsError."""
        check_type(request.headers)
        return True

    def begin(self, request: PlainExchange, access: Access) -> bool:
        """Answer inline, without a task, where that is possible at once; raise an LlmsError."""
        raw = plain_json(request, self._services)
        chat = self._dialect.parse(raw, request_id=access.request_id, hops=access.hops, stream=None)
        inline = InlineChat(request, access, chat, dialect=self._dialect, wire=self._wire, services=self._services)
        request.access, request.inline = access, inline
        return inline.begin()

    async def _answer(self, request: Asked, access: Access, *, stream: bool | None) -> web.StreamResponse:
        begun = request.inline if isinstance(request, PlainExchange) else None
        if begun is None:
            raw = await read_json(request, self._services)
            chat = self._dialect.parse(raw, request_id=access.request_id, hops=access.hops, stream=stream)
        else:
            begun.taken_over()
            chat = begun.chat
        wanted = NOTHING
        if chat.stream and OPT_IN in request.headers and self._dialect.opt_in and isinstance(request, web.Request):
            wanted = opted_in(request.headers.getall(OPT_IN))
        if self._services.gateway.fleet.sharing is not None:
            chat = chat._replace(cache_control=request.headers.get("cache-control", ""))
        if "progress" in wanted:
            chat = chat._replace(progress=Progress.of(chat.body, clock=self._services.clock))
        if "resumable" in wanted and isinstance(request, web.Request):
            return await self._resumable(request, access, chat, batched="batch" in wanted)
        access.reported = True
        with self._services.running.request(access.request_id) as task:
            if chat.stream:
                return await self._stream(request, access, chat, task, batched="batch" in wanted, begun=begun)
            return await self._whole(request, access, chat, begun)

    async def _resumable(
        self, request: web.Request, access: Access, chat: ChatRequest, *, batched: bool
    ) -> web.StreamResponse:
        from llms.server.resumable import Generation, answer

        generation = Generation(
            chat,
            route=request.path,
            access=access,
            telling=self._dialect.telling(chat),
            wire=self._wire,
            batched=batched,
            services=self._services,
        )
        return await answer(request, access, generation, services=self._services)

    async def _whole(self, request: Asked, access: Access, chat: ChatRequest, begun: InlineChat | None) -> WholeAnswer:
        opening = begun.opening if begun is not None else None
        ask = opening or partial(self._services.gateway.complete, chat, route=request.path, key_id=access.caller.key_id)
        whole = await ask()
        headers = {**access.headers, **routing_headers(whole.exchange)}
        native = whole.completion.native
        return WholeAnswer(self._dialect.whole(whole.completion, whole) if native is None else native.wire, headers)

    async def _stream(
        self,
        request: Asked,
        access: Access,
        chat: ChatRequest,
        task: Task,
        *,
        batched: bool,
        begun: InlineChat | None,
    ) -> web.StreamResponse:
        services = self._services
        opening, quiet = (begun.opening, begun.quiet) if begun is not None else (None, 0.0)
        events = EventStream(request, access, services, ping=self._ping, quiet=quiet)
        if chat.progress is not None:
            created = int(services.now())
            events.waiting = Waiting(chat.progress, request_id=chat.request_id, model=chat.model, created=created)
        telling = self._dialect.telling(chat) if begun is None else begun.telling
        try:
            with services.running.told(task):
                ask = opening or partial(services.gateway.chat, chat, route=request.path, key_id=access.caller.key_id)
                answer = await ask()
                async with answer:
                    if batched:
                        await self._relay_batched(answer, events, telling)
                    else:
                        await self._relay(answer, events, telling)
        except LlmsError as error:
            await events.fail(error, telling.error)
        finally:
            events.close()
        return events.response

    async def _relay_batched(self, answer: Answering, events: EventStream, telling: Telling) -> None:
        from llms.streaming.batching import in_batches

        async def send(chunk: Chunk) -> None:
            if chunk.final:
                await events.done(telling.end(chunk, answer))
            elif data := telling.chunk(chunk):
                await events.write(data)

        events.heartbeat = answer.heartbeat
        await events.commit(routing_headers(answer.exchange))
        services = self._services
        await in_batches(answer.chunks(), send, batch=services.config.batch, tasks=services.tasks)

    async def _relay(self, answer: Answering, events: EventStream, telling: Telling) -> None:
        events.heartbeat = answer.heartbeat
        await events.commit(routing_headers(answer.exchange))
        if answer.short_cut is not None and self._services.config.server.fast_path:
            short_cut = answer.short_cut
            short_cut.sink = unchanged(events.pass_on) if answer.native else told(events, telling, self._wire)
            if answer.native or self._wire is not None:
                short_cut.open_lane(events.lane(answer.exchange, None if answer.native else self._wire))
        if answer.native:
            telling = Passed(telling)
        tell = telling.chunk
        async for chunk in answer.chunks():
            if chunk.final:
                await events.done(telling.end(chunk, answer))
            else:
                await events.write(tell(chunk))
