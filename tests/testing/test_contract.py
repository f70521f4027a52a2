"""The contract is worth what it catches: providers that are broken on purpose must not pass."""

import asyncio
import contextlib
import json
import logging

import pytest

from llms.protocol.chat import Chunk
from llms.protocol.errors import UpstreamError, UpstreamRejected
from llms.providers.base import ProviderSettings
from llms.providers.openai_compatible import OpenAICompatible, Options
from llms.testing.contract import ProviderContract


class Broken:
    """A provider that works, to be broken in one place by a subclass."""

    def __init__(self, inner, key):
        self.inner, self.key = inner, key

    async def chat(self, request, *, stream=True):
        async with contextlib.aclosing(self.inner.chat(request, stream=stream)) as chunks:
            try:
                async for chunk in chunks:
                    yield self.change(chunk)
            except UpstreamError as error:
                raise self.fail(error) from None

    def change(self, chunk):
        return chunk

    def fail(self, error):
        return error

    async def models(self):
        return await self.inner.models()


def without(item, *names):
    return json.loads(json.dumps(item), object_hook=lambda found: {k: v for k, v in found.items() if k not in names})


class LosesText(Broken):
    def change(self, chunk):
        return Chunk.of(
            *(item for item in chunk.objects if "world" not in json.dumps(item) and "quoted" not in str(item))
        )


class LosesUsage(Broken):
    def change(self, chunk):
        return Chunk.of(*(without(item, "usage") for item in chunk.objects))


class LosesUnknownFields(Broken):
    def change(self, chunk):
        return Chunk.of(*(without(item, "x_delta") for item in chunk.objects))


class LosesReasoning(Broken):
    def change(self, chunk):
        return Chunk.of(*(without(item, "reasoning_content") for item in chunk.objects))


class LosesTheFinish(Broken):
    def change(self, chunk):
        return Chunk.of(*(without(item, "finish_reason") for item in chunk.objects))


class LosesCalls(Broken):
    def change(self, chunk):
        return Chunk.of(*(without(item, "arguments") for item in chunk.objects))


class OtherBytes(Broken):
    def change(self, chunk):
        return Chunk(chunk.objects, [b"{}"] * len(chunk.objects))


class CountsNothing(Broken):
    def change(self, chunk):
        chunk.skipped = 0
        return chunk


class LosesPatience(Broken):
    def fail(self, error):
        error.retry_after = None
        return error


class LosesTheStatus(Broken):
    def fail(self, error):
        error.http_status = 500
        return error


class BlamesTheClient(Broken):
    def fail(self, error):
        return UpstreamRejected(error.message)


class TellsTheKey(Broken):
    def fail(self, error):
        return UpstreamError(f"{error.message} (sent {self.key})")


class TellsTheKeyInAnAttribute(Broken):
    def fail(self, error):
        error.headers = {"authorization": f"Bearer {self.key}"}
        return error


class RaisesItsOwn(Broken):
    def fail(self, error):
        return OSError(error.message)


class KeepsAll(Broken):
    """Yield nothing before the end."""

    async def chat(self, request, *, stream=True):
        held = [chunk async for chunk in super().chat(request, stream=stream)]
        for chunk in held:
            yield chunk


class Mixes(Broken):
    """Let all chats share one list of chunks."""

    held = ()

    async def chat(self, request, *, stream=True):
        self.held = [chunk async for chunk in super().chat(request, stream=stream)]
        await asyncio.sleep(0.01)
        for chunk in self.held:
            yield chunk


class ReadsOn(Broken):
    """Read in a task that nobody stops."""

    def __init__(self, inner, key):
        super().__init__(inner, key)
        self.tasks = []

    async def chat(self, request, *, stream=True):
        read = asyncio.Queue()

        async def pump():
            with contextlib.suppress(Exception):
                async for chunk in self.inner.chat(request, stream=stream):
                    read.put_nowait(chunk)
            read.put_nowait(None)

        self.tasks.append(asyncio.create_task(pump()))
        while (chunk := await read.get()) is not None:
            yield chunk

    async def close(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class SwallowsCancellation(Broken):
    async def chat(self, request, *, stream=True):
        with contextlib.suppress(asyncio.CancelledError):
            async for chunk in super().chat(request, stream=stream):
                yield chunk


class IgnoresTheModel(Broken):
    async def chat(self, request, *, stream=True):
        async for chunk in super().chat(request.for_model("mine"), stream=stream):
            yield chunk


class ListsTwice(Broken):
    async def models(self):
        return [*await self.inner.models()] * 2


def contract_of(kind):
    class Contract(ProviderContract):
        patience = 1.0

        async def provider(self, upstream):
            options = Options(base_url=upstream.url, api_key=self.key)
            inner = OpenAICompatible(ProviderSettings("up", "openai_compatible", options), self.resources)
            return kind(inner, self.key)

    return Contract()


CAUGHT = [
    (LosesText, "a_stream_has_chunks_and_ends_with_a_finish_reason", {}),
    (LosesText, "streamed_and_whole_text_folds_to_the_same", {}),
    (LosesText, "events_that_arrive_together_are_read_apart", {}),
    (LosesText, "an_end_that_was_not_marked_is_an_end", {}),
    (LosesUsage, "usage_is_told_by_the_end", {}),
    (LosesUnknownFields, "unknown_fields_survive", {"stream": True}),
    (LosesUnknownFields, "unknown_fields_survive", {"stream": False}),
    (LosesReasoning, "reasoning_stays_apart_from_the_text", {}),
    (LosesTheFinish, "a_stream_has_chunks_and_ends_with_a_finish_reason", {}),
    (LosesCalls, "tool_calls_assemble", {}),
    (OtherBytes, "the_bytes_of_a_chunk_are_its_objects", {}),
    (CountsNothing, "malformed_events_are_left_out_and_counted", {}),
    (IgnoresTheModel, "the_upstream_is_asked_for_the_model_and_the_message", {}),
    (ListsTwice, "models_are_listed", {}),
    (Mixes, "many_chats_at_once_do_not_mix", {}),
    (LosesPatience, "the_patience_asked_for_is_kept", {"form": "seconds", "status": 429}),
    (LosesTheStatus, "what_may_pass_is_retryable_and_keeps_its_status", {"status": 503, "stream": True}),
    (LosesTheStatus, "what_the_client_can_mend_keeps_its_status", {"status": 404, "stream": True}),
    (BlamesTheClient, "a_refused_key_is_ours_to_mend", {"stream": True}),
    (BlamesTheClient, "what_may_pass_is_retryable_and_keeps_its_status", {"status": 503, "stream": False}),
    (BlamesTheClient, "nobody_there_is_unreachable", {"stream": True}),
    (RaisesItsOwn, "nobody_there_is_unreachable", {"stream": True}),
    (RaisesItsOwn, "an_error_inside_a_stream_ends_it", {}),
    (KeepsAll, "an_error_inside_a_stream_ends_it", {}),
    (KeepsAll, "leaving_in_mid_stream_stops_the_upstream", {"moment": "after a chunk"}),
    (ReadsOn, "leaving_in_mid_stream_stops_the_upstream", {"moment": "after a chunk"}),
    (ReadsOn, "a_cancelled_wait_stops_the_upstream", {"window": "before the head", "stream": True}),
    (ReadsOn, "many_departures_leave_nothing_open", {}),
    (SwallowsCancellation, "a_cancelled_wait_stops_the_upstream", {"window": "before the head", "stream": True}),
]


@pytest.mark.parametrize(("kind", "test", "values"), CAUGHT)
async def test_a_broken_provider_is_caught(kind, test, values):
    with pytest.raises((AssertionError, OSError, TimeoutError)):
        await getattr(contract_of(kind), f"test_{test}")(**values)


@pytest.mark.parametrize(("test", "values"), list({test: (test, values) for _, test, values in CAUGHT}.values()))
async def test_the_same_tests_pass_when_nothing_is_broken(test, values):
    await getattr(contract_of(Broken), f"test_{test}")(**values)


@pytest.mark.parametrize("kind", [TellsTheKey, TellsTheKeyInAnAttribute])
async def test_a_told_key_is_found(kind, caplog, capfd):
    with pytest.raises(AssertionError, match="the key is in"):
        await contract_of(kind).test_the_key_is_in_no_error_and_no_log("500", caplog, capfd)


async def test_a_logged_key_is_found(caplog, capfd):
    class Logs(Broken):
        def fail(self, error):
            logging.getLogger("x").debug("sent %s", self.key)
            return error

    with pytest.raises(AssertionError, match="the key is in"):
        await contract_of(Logs).test_the_key_is_in_no_error_and_no_log("500", caplog, capfd)


def test_what_does_not_apply_is_left_out():
    class Local(ProviderContract):
        speaks_http = False

    assert Local.test_nobody_there_is_unreachable is None
    assert callable(Local.test_streamed_and_whole_text_folds_to_the_same)
    assert callable(ProviderContract.test_nobody_there_is_unreachable)


async def test_a_contract_without_a_provider_says_what_is_missing():
    class Empty(ProviderContract):
        pass

    with pytest.raises(NotImplementedError, match="Empty must say how to make its provider"):
        await Empty().test_models_are_listed()
