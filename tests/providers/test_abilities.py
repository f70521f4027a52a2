"""What one client makes an upstream refuse does not change what the others get."""

import pytest

from llms.protocol.errors import UpstreamRejected
from llms.providers import _abilities
from llms.providers._abilities import Abilities, Asking
from llms.providers.base import ProviderSettings
from llms.providers.openai_compatible import OpenAICompatible, Options
from llms.testing.clock import Clock
from llms.testing.contract.setup import Setup
from llms.testing.fake_upstream import error, reply, text_stream, whole
from tests.providers.relayed import made, said

NO_STREAM = {"error": {"message": "best_of is not supported with stream", "param": None}}
NO_OPTION = {"error": {"message": "Unknown parameter: 'stream_options.x_bad'.", "param": "stream_options.x_bad"}}
ALL = Asking(stream=True, usage=True)


def abilities(clock: Clock) -> Abilities:
    return Abilities(stream=True, usage=True, clock=clock)


class TestRemembering:
    def test_a_refusal_counts_for_its_model_and_for_a_while(self) -> None:
        clock = Clock()
        known = abilities(clock)
        known.answered("old", first=ALL, last=Asking(stream=False, usage=True))
        known.answered("plain", first=ALL, last=Asking(stream=True, usage=False))

        assert not known.asking("old", stream=True).stream
        assert not known.asking("plain", stream=True).usage
        assert known.asking("other", stream=True) == ALL
        clock.advance(601)
        assert known.asking("old", stream=True) == known.asking("plain", stream=True) == ALL

    def test_a_model_that_has_streamed_is_not_doubted(self) -> None:
        known = abilities(Clock())
        known.answered("m", first=ALL, last=ALL)
        known.answered("m", first=ALL, last=Asking(stream=False, usage=True))

        assert known.asking("m", stream=True) == ALL

    def test_whole_answers_tell_nothing(self) -> None:
        known = abilities(Clock())
        asked = known.asking("m", stream=False)
        known.answered("m", first=asked, last=asked)

        assert known.asking("m", stream=True) == ALL

    def test_the_models_of_clients_do_not_pile_up(self) -> None:
        known = abilities(Clock())
        for number in range(_abilities._MOST_MODELS + 50):
            known.answered(f"m{number}", first=ALL, last=Asking(stream=False, usage=True))
            known.answered(f"n{number}", first=ALL, last=Asking(stream=True, usage=False))

        assert len(known._no_stream) == len(known._no_usage) == len(known._streamed) == _abilities._MOST_MODELS


class TestOneClientAndTheOthers:
    async def test_a_bad_stream_option_is_the_clients_own(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.on(
                lambda seen: (
                    error(400, NO_OPTION) if "x_bad" in (seen.json.get("stream_options") or {}) else text_stream("fine")
                )
            )
            with pytest.raises(UpstreamRejected, match="x_bad"):
                await setup.ask(provider, more={"stream_options": {"x_bad": 1}})
            await setup.ask(provider)

            assert [seen.asked_usage for seen in upstream.chats] == [True, True]

    async def test_a_request_that_cannot_stream_is_answered_whole_and_the_next_streams(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.on(
                lambda seen: error(400, NO_STREAM) if seen.stream and seen.json.get("best_of") else reply("hi")(seen)
            )
            await setup.ask(provider)
            assert said(setup, await setup.ask(provider, more={"best_of": 2})) == "hi"
            await setup.ask(provider)

            assert [seen.stream for seen in upstream.chats] == [True, True, False, True]

    async def test_a_refusal_that_stays_without_the_refused_part_is_not_remembered(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.on(lambda seen: error(400, message="stream_options, stream and all else is not supported"))
            await setup.fail(provider)
            upstream.on(reply("hi"))
            await setup.ask(provider)

            assert (upstream.chats[-1].stream, upstream.chats[-1].asked_usage) == (True, True)

    async def test_a_model_that_could_not_stream_is_asked_again_after_a_while(self) -> None:
        setup = _Timed()
        async with setup.ready() as (provider, upstream):
            upstream.on(lambda seen: error(400, NO_STREAM) if seen.stream else whole("hi"))
            for _ in range(2):
                await setup.ask(provider)
            setup.clock.advance(601)
            upstream.on(reply("hi"))
            await setup.ask(provider)

            assert [seen.stream for seen in upstream.chats] == [True, False, False, True]


class _Timed(Setup):
    def __init__(self) -> None:
        self.clock = Clock()

    async def provider(self, upstream):  # type: ignore[no-untyped-def]
        lent = type(self.resources)(
            http=self.resources.http, clock=self.clock, now=self.clock, pool=self.resources.pool
        )
        return OpenAICompatible(ProviderSettings("up", "openai_compatible", Options(base_url=upstream.url)), lent)
