"""How an upstream is asked for embeddings: in batches where it takes only so many inputs, a few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Annotated, Final, TypeAlias, final

from llms.config.values import Whole
from llms.protocol import json
from llms.protocol.chat import Usage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.errors import ContextLengthExceeded, LlmsError, UpstreamProtocolError
from llms.protocol.refusals import error_for_event, is_error
from llms.tasks import Tasks

_AT_ONCE: Final = 4
"""Batches of one request that are under way at the same time."""
_REFUSAL_SECONDS: Final = 600.0
_FORM: Final = "encoding_format"
_ABOUT_FIELDS: Final = frozenset({400, 404, 422, 501})
_VECTOR_SIZE: Final = 128 * 1024
"""Bytes that the text of one vector may have: 4,096 numbers of 24 characters, with room to spare."""

MaxInputs = Annotated[int, Whole(minimum=1)] | None
"""The row's key `max_inputs`."""
MAX_INPUTS: Final = "Inputs that one request for embeddings may have upstream; larger ones are split."

Send: TypeAlias = Callable[[EmbeddingRequest], Awaitable[Embeddings]]
"""Asks the upstream once."""


@final
class Batches:
    """Split what is too large for one upstream, and leave the form of the vectors to one that will not be told."""

    def __init__(self, most: int | None, *, send: Send, clock: Callable[[], float]) -> None:
        """Take the row's `max_inputs`, what sends one request, and a clock of monotonic seconds."""
        self._most = most
        self._send = send
        self._clock = clock
        self._formless_until = 0.0

    async def ask(self, request: EmbeddingRequest) -> Embeddings:
        """Return the answers to a request, in order; the first failure of a batch ends all of them."""
        parts = [request] if self._most is None else request.split(self._most)
        if len(parts) == 1:
            return await self._ask_one(request)
        found = await self._ask_all(parts)
        return replace(
            found[0],
            answers=[answer for one in found for answer in one.answers],
            vectors=[vector for one in found for vector in one.vectors],
            usage=_summed([one.usage for one in found]),
        )

    async def _ask_all(self, parts: Sequence[EmbeddingRequest]) -> Sequence[Embeddings]:
        found: dict[int, Embeddings] = {}
        waiting = enumerate(parts)

        async def work() -> LlmsError | None:
            try:
                for position, part in waiting:
                    found[position] = await self._ask_one(part)
            except LlmsError as error:
                return error
            return None

        tasks = Tasks()
        try:
            workers = [tasks.spawn(work(), name="embed a batch") for _ in parts[:_AT_ONCE]]
            for worker in asyncio.as_completed(workers):
                if (error := await worker) is not None:
                    raise error
        finally:
            await tasks.close()
        return [found[position] for position in range(len(parts))]

    async def _ask_one(self, request: EmbeddingRequest) -> Embeddings:
        """Ask, and ask again without a word on the form where the upstream refuses it: we bring vectors into any."""
        if self._formless_until > self._clock():
            request = request.without(_FORM)
        try:
            return await self._ask_once(request)
        except LlmsError as error:
            if not _is_about_form(error, request):
                raise
        answer = await self._ask_once(request.without(_FORM))
        self._formless_until = self._clock() + _REFUSAL_SECONDS
        return answer

    async def _ask_once(self, request: EmbeddingRequest) -> Embeddings:
        try:
            return await self._send(request)
        except ContextLengthExceeded as error:
            error.param = "input"
            raise


def answer_limit(request: EmbeddingRequest, max_answer: int) -> int:
    """Return how many bytes an answer may have: vectors are long, and this many were asked for."""
    return max_answer + len(request.inputs) * _VECTOR_SIZE


def answered(request: EmbeddingRequest, body: bytes, *, provider: str, secrets: Collection[str]) -> Embeddings:
    """Return what an upstream answered, as it came; raise where it is an error with a status of success."""
    if b'"embedding"' not in body:
        try:
            item = json.loads(body)
        except ValueError:
            raise UpstreamProtocolError(f"{provider}: the upstream's answer is not JSON") from None
        if is_error(item):
            raise error_for_event(item, provider=provider, secrets=secrets)
    return Embeddings(answers=((len(request.inputs), body),))


def _summed(told: Sequence[Usage | None]) -> Usage | None:
    """Return the prompt tokens of all batches; None as soon as one told none."""
    counts = [usage.prompt_tokens for usage in told if usage is not None]
    return Usage(prompt_tokens=sum(counts), source="reported") if len(counts) == len(told) else None


def _is_about_form(error: LlmsError, request: EmbeddingRequest) -> bool:
    return (
        request.body.get(_FORM) is not None
        and error.http_status in _ABOUT_FIELDS
        and _FORM in f"{error.param} {error.message}"
    )
