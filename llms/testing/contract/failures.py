"""How a provider fails: one LlmsError that says what happened, what came before it kept, the next chat fine."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import time
from collections.abc import Sequence
from typing import Any

import pytest

from llms.protocol.chat import Chunk
from llms.protocol.errors import (
    ContextLengthExceeded,
    LlmsError,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnreachable,
)
from llms.testing.answers import answer, body, redirect
from llms.testing.contract.setup import Setup, needs, objects_of
from llms.testing.fake_upstream import FakeUpstream
from llms.testing.plain_client import text_of
from llms.testing.steps import Step, close, cut, half_chunk, head, raw, wire

LONGEST_MESSAGE = 4000
_BETWEEN_STEPS = 0.005
_SLOW_READER = 0.05
_ODD_BODIES: Sequence[tuple[Any, str]] = (
    ("<html><head><title>502</title></head><body><h1>Bad gateway</h1>\n<p>nginx</p></body></html>", "Bad gateway"),
    ({"error": "model is loading"}, "model is loading"),
    ({"detail": [{"loc": ["body", "top_k"], "msg": "must be positive", "type": "value_error"}]}, "must be positive"),
    ({"detail": "Not enough luck"}, "Not enough luck"),
    ({"message": "bare message"}, "bare message"),
    ([{"error": {"message": "in a list"}}], "in a list"),
    ("plain words", "plain words"),
    ("", ""),
    (b"\xff\xfe\x00binary", ""),
    ("[]", ""),
    ("null", ""),
)


class Failures(Setup):
    """Refusals, breaks and nonsense."""

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_refused_key_is_ours_to_mend(self, stream: bool) -> None:
        error = await self._refused(401, stream=stream)

        assert isinstance(error, UpstreamAuthenticationFailed), repr(error)
        assert not error.retryable

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize("status", [400, 402, 403, 404, 409, 413, 422])
    async def test_what_the_client_can_mend_keeps_its_status(self, status: int, stream: bool) -> None:
        error = await self._refused(status, stream=stream)

        assert isinstance(error, UpstreamRejected), repr(error)
        assert (error.http_status, error.retryable) == (status, False)

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
    async def test_what_may_pass_is_retryable_and_keeps_its_status(self, status: int, stream: bool) -> None:
        error = await self._refused(status, stream=stream)

        assert isinstance(error, UpstreamError), repr(error)
        assert (error.http_status, error.retryable) == (status, True)

    async def _refused(self, status: int, *, stream: bool) -> LlmsError:
        async with self.ready() as (provider, upstream):
            self.script_error(upstream, status, message="the words of the upstream")
            error, before = await self.fail(provider, stream=stream)
            await self.answers_again(provider, upstream)

        assert before == []
        if status != 401:
            assert "the words of the upstream" in error.message
        return error

    @needs("speaks_http")
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
    async def test_the_patience_asked_for_is_kept(self, form: str, status: int) -> None:
        headers = {
            "seconds": {"Retry-After": "20"},
            "date": {"Retry-After": email.utils.formatdate(time.time() + 20, usegmt=True)},
            "milliseconds": {"retry-after-ms": "20000"},
        }[form]
        async with self.ready() as (provider, upstream):
            self.script_error(upstream, status, headers)
            error, _ = await self.fail(provider)

        assert error.retry_after is not None, f"{headers} was lost"
        assert 5 < error.retry_after <= 21

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_prompt_that_is_too_long_is_told_apart(self, stream: bool) -> None:
        async with self.ready() as (provider, upstream):
            self.script_overflow(upstream)
            error, _ = await self.fail(provider, stream=stream)

        assert isinstance(error, ContextLengthExceeded), repr(error)

    @needs("speaks_http")
    @pytest.mark.parametrize(("content", "words"), _ODD_BODIES)
    async def test_an_error_of_any_shape_has_a_clean_message(self, content: Any, words: str) -> None:
        async with self.ready() as (provider, upstream):
            upstream.script(body(content, status=502))
            error, _ = await self.fail(provider)

        assert error.message, "an error needs words"
        assert words in error.message
        assert not {"<", "\x00"} & set(error.message), f"not for a client: {error.message!r}"
        assert len(error.message) < LONGEST_MESSAGE
        assert error.http_status == 502

    @needs("speaks_http")
    async def test_an_error_body_without_end_is_cut(self) -> None:
        async with self.ready() as (provider, upstream):
            upstream.script(body("much ado " * 200_000, status=500))
            error, _ = await self.fail(provider)

        assert len(error.message) < LONGEST_MESSAGE

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    async def test_nobody_there_is_unreachable(self, stream: bool) -> None:
        async with self.ready(refuses=True) as (provider, _):
            error, _ = await self.fail(provider, stream=stream)

        assert isinstance(error, UpstreamUnreachable), repr(error)
        assert error.retryable

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize(
        "steps",
        [
            pytest.param((close(),), id="closed"),
            pytest.param((cut(),), id="reset"),
            pytest.param((head(), close()), id="closed after its head"),
            pytest.param((head(), half_chunk()), id="half an HTTP chunk"),
            pytest.param((wire(b"HTTP/1.1 200 OK\r\nContent-Le"), close()), id="half a head"),
            pytest.param((wire(b"\x00\x01\x02 no HTTP\r\n\r\n"), close()), id="no HTTP"),
        ],
    )
    async def test_a_break_before_the_first_chunk_is_an_upstream_error(
        self, steps: Sequence[Step], stream: bool
    ) -> None:
        async with self.ready() as (provider, upstream):
            upstream.script(answer(*steps))
            error, before = await self.fail(provider, stream=stream)
            await self.answers_again(provider, upstream)

        assert before == []
        assert isinstance(error, UpstreamError), repr(error)
        assert error.retryable

    @needs("speaks_http")
    @pytest.mark.parametrize("reader", ["eager", "slow"])
    @pytest.mark.parametrize("last", [cut, close, half_chunk])
    async def test_chunks_before_a_break_are_kept(self, last: Any, reader: str) -> None:
        pieces = ["one ", "two ", "three"]
        async with self.ready() as (provider, upstream):
            self.script_begun(upstream, pieces, last())
            if reader == "slow":
                # The first chunk comes alone; the others and the break wait for the reader together.
                upstream.recast(lambda scripted: scripted.paced(_BETWEEN_STEPS))
            before, error = await self._read_until_broken(provider, upstream, slowly=reader == "slow")
            await self.answers_again(provider, upstream)

        assert text_of(_with_index(before)) == "".join(pieces)
        assert isinstance(error, UpstreamError), repr(error)

    async def _read_until_broken(
        self, provider: Any, upstream: FakeUpstream, *, slowly: bool
    ) -> tuple[list[Chunk], LlmsError | None]:
        before: list[Chunk] = []
        async with contextlib.aclosing(provider.chat(self.request())) as chunks:
            try:
                async for chunk in chunks:
                    before.append(chunk)
                    if slowly:
                        await upstream.chats[0].over()
                        await asyncio.sleep(_SLOW_READER)
            except LlmsError as error:
                return before, error
        return before, None

    @needs("speaks_http")
    async def test_an_error_inside_a_stream_ends_it(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_error_event(upstream, ["one ", "two"], "lost my GPU")
            error, before = await self.fail(provider)
            await self.answers_again(provider, upstream)

        assert text_of(_with_index(before)) == "one two"
        assert isinstance(error, UpstreamError), repr(error)
        assert "lost my GPU" in error.message

    @needs("speaks_http")
    async def test_an_error_instead_of_a_stream_fails(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_error_event(upstream, [], "lost my GPU")
            error, before = await self.fail(provider)

        assert objects_of(before) == []
        assert isinstance(error, UpstreamError), repr(error)
        assert "lost my GPU" in error.message

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_redirect_is_not_followed(self, stream: bool) -> None:
        async with self.ready() as (provider, upstream), FakeUpstream() as elsewhere:
            upstream.script(redirect(f"{elsewhere.url}/chat/completions", 307))
            error, _ = await self.fail(provider, stream=stream)

            assert elsewhere.requests == [], "the redirect was followed"
        assert isinstance(error, UpstreamError), repr(error)

    @needs("speaks_http")
    @pytest.mark.parametrize("content", ["<html><b>welcome</b></html>", "not JSON", "[]", "null", "{}", ""])
    async def test_a_good_status_with_nonsense_is_an_upstream_error(self, content: str) -> None:
        async with self.ready() as (provider, upstream):
            upstream.script(body(content, headers={"Content-Type": "application/json"}))
            error, before = await self.fail(provider, stream=False)
            await self.answers_again(provider, upstream)

        assert before == []
        assert isinstance(error, UpstreamError), repr(error)
        assert "<" not in error.message

    @needs("speaks_http")
    async def test_a_cut_whole_answer_is_an_upstream_error(self) -> None:
        async with self.ready() as (provider, upstream):
            headers = {"Content-Type": "application/json", "Content-Length": "400"}
            upstream.script(answer(head(200, headers), raw(b'{"choices": [{"mess'), close(), framing="length"))
            error, before = await self.fail(provider, stream=False)

        assert before == []
        assert isinstance(error, UpstreamError), repr(error)


def _with_index(chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    """Return the objects of chunks that have choices, as an unfinished stream shows them."""
    return [item for item in objects_of(chunks) if item.get("choices")]
