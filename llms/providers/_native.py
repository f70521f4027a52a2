"""Answers in the client's own dialect, from an endpoint that speaks it: passed on byte for byte."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final, final

from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.errors import LlmsError, UpstreamProtocolError
from llms.protocol.native import Native, Original
from llms.protocol.native_reader import NativeReader
from llms.protocol.noting import noting
from llms.protocol.refusals import error_for_event, is_error, request_id_of
from llms.providers._abilities import Abilities
from llms.providers._http import BROKEN, Endpoint, Response
from llms.providers.base import ProviderSettings, Relay
from llms.providers.several import Asking, as_chats

_ABSENT: Final = frozenset({404, 405, 501})
"""How an endpoint says that it has no such route, or not for this model."""
_COUNTING: Final = "messages/count_tokens"
_ABSENT_SECONDS: Final = 600.0
_MOST_MODELS: Final = 256


@final
class NativeRelay:
    """Send a client's own request to where its dialect is spoken, and hand its answer on."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: ProviderSettings,
        heads: Mapping[str, bytes],
        *,
        clock: Callable[[], float],
        stream: bool = True,
        translated: Asking | None = None,
        counting: bytes | None = None,
    ) -> None:
        """Take the head of requests for each dialect that is spoken, and whether answers can be streamed.

        Where a route turns out to be missing, `translated` is asked instead, for a while. `counting` is the head of
        requests that count the tokens of one in Messages.
        """
        self._counting = counting
        self._endpoint = endpoint
        self._settings = settings
        self._heads = heads
        self._clock = clock
        self._abilities = {dialect: Abilities(stream=stream, usage=False, clock=clock) for dialect in heads}
        self._translated = translated
        self._absent: dict[tuple[str, str], float] = {}
        """When a route may be tried again with a model."""

    def speaks(self, original: Original, model: str) -> bool:
        """Tell whether a request to a model can be sent as it is."""
        return original.dialect in self._heads and self._may_try(original.dialect, model)

    async def chat(
        self, request: ChatRequest, original: Original, *, stream: bool, relay: Relay | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Yield the upstream's events as they come, or its whole answer; `relay` may pass on what is not noted."""
        response = await self._open(request, original, stream=stream)
        if response is None:
            assert self._translated is not None
            async with aclosing(as_chats(self._translated, request, stream=stream)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        upstream_id = request_id_of(response.headers, self._endpoint.secrets)
        reader = self._reader(original)
        try:
            if not response.streams(asked=stream):
                body = await response.whole(self._settings.max_answer)
                chunk = Chunk.passed(self._whole(body, original, stream=stream))
                chunk.upstream_request_id = upstream_id
                yield chunk
                return
            if not stream:
                raise UpstreamProtocolError(f"{self._settings.name}: the upstream streams though it was not asked to")
            read = response.reader if relay is None else response.offering(relay)
            while not reader.done:
                if relay is not None:
                    relay.expect(reader.steady)
                data = await read()
                native = reader.feed(data) if data else reader.close()
                if native is not None:
                    chunk = Chunk.passed(native)
                    chunk.upstream_request_id = upstream_id
                    chunk.final = reader.done
                    yield chunk
                if reader.error is not None:
                    raise reader.error
                if not data:
                    return
            await response.settle()
        except BROKEN as failure:
            native = reader.close(cut=True) if reader.complete else None
            if native is None:
                raise response.broken(failure) from None
            yield Chunk.passed(native)
        finally:
            response.close()

    async def count_tokens(self, request: ChatRequest) -> int | None:
        """Return the tokens of a request of Messages; None where they cannot be counted."""
        original, counting = request.original, self._counting
        if original is None or counting is None or not self._may_try(_COUNTING, request.model):
            return None
        async with self._endpoint.request(
            self._headed(counting, request, original), original.encode(request.model, stream=False)
        ) as response:
            if response.status != 200:
                error = await self._endpoint.refuse(response)
                if error.http_status in _ABSENT:
                    self._note_absent(_COUNTING, request.model)
                raise error
            told = self._endpoint.decode(await response.whole(self._settings.max_answer))
        found = told.get("input_tokens") if isinstance(told, dict) else None
        return found if isinstance(found, int) else None

    def _headed(self, head: bytes, request: ChatRequest, original: Original) -> bytes:
        """Return the head of one request, with what the client says in headers."""
        told = "".join(f"{name}: {value}\r\n" for name, value in original.headers).encode("latin-1", "replace")
        return b"%b%bx-llms-hops: %d\r\n" % (head, told, request.hops + 1)

    async def _open(self, request: ChatRequest, original: Original, *, stream: bool) -> Response | None:
        """Send the request, again for a whole answer when streams are refused; None where there is no such route."""
        abilities = self._abilities[original.dialect]
        head = self._headed(self._heads[original.dialect], request, original)
        first = asking = abilities.asking(request.model, stream=stream)
        while True:
            response = await self._endpoint.send(head, original.encode(request.model, stream=asking.stream))
            if response.status == 200:
                abilities.answered(request.model, first=first, last=asking)
                return response
            try:
                error = await self._endpoint.refuse(response)
            finally:
                response.close()
            if self._is_absent(original, request.model, error):
                return None
            less = asking.less(request, error)
            if less is None:
                raise error
            asking = less

    def _is_absent(self, original: Original, model: str, error: LlmsError) -> bool:
        """Tell whether to ask for a chat instead, and remember it."""
        if self._translated is None or original.refusal is not None or error.http_status not in _ABSENT:
            return False
        self._note_absent(original.dialect, model)
        return True

    def _may_try(self, route: str, model: str) -> bool:
        return not self._absent or self._absent.get((route, model), 0.0) <= self._clock()

    def _note_absent(self, route: str, model: str) -> None:
        if len(self._absent) >= _MOST_MODELS:
            self._absent.clear()
        self._absent[route, model] = self._clock() + _ABSENT_SECONDS

    def _reader(self, original: Original) -> NativeReader:
        return NativeReader(
            noting(original.dialect),
            provider=self._settings.name,
            max_event=self._settings.max_event,
            secrets=self._endpoint.secrets,
        )

    def _whole(self, body: bytes, original: Original, *, stream: bool) -> Native:
        """Return a whole answer, as the events that tell it where a stream was asked for."""
        item = self._endpoint.decode(body)
        if is_error(item):
            raise error_for_event(item, provider=self._settings.name, secrets=self._endpoint.secrets)
        note = noting(original.dialect)
        if not note.whole(item):
            raise UpstreamProtocolError(f"{self._settings.name}: the upstream's answer is not one of its dialect")
        wire = note.unfold(item, body) if stream else body
        return Native(wire, wire.count(b"\n\n") if stream else 1, note.usage, note.finish, note.complete)
