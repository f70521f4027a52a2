"""The provider that says what it was told."""

import contextlib
import time

import pytest

from llms.config.problems import Invalid
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import NotSupported
from llms.providers.base import ProviderSettings
from llms.providers.echo import Echo, Options
from llms.testing.contract import ProviderContract
from llms.testing.contract.setup import Setup, objects_of
from llms.testing.plain_client import text_of


class Made(Setup):
    speaks_http = has_key = has_tools = has_reasoning = lists_upstream_models = False
    options = Options()

    async def provider(self, upstream):
        return Echo(ProviderSettings("echo", "echo", self.options), self.resources)


class TestContract(Made, ProviderContract):
    """All that every provider must hold."""

    makes_embeddings = True


async def heard(provider, messages):
    async with contextlib.aclosing(provider.chat(ChatRequest({"messages": messages}, "echo"))) as chunks:
        return text_of(objects_of([chunk async for chunk in chunks]))


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b  c\n"}], "b  c\n"),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]}], "x y"),
        ([{"role": "user", "content": [{"text": 7}, None, "z"]}], "z"),
        ([{"role": "assistant", "content": None}], ""),
        ([{"role": "user"}], ""),
        ([{"role": "user", "content": "nul \0 stays"}], "nul \0 stays"),
        ([], ""),
    ],
)
async def test_it_says_the_last_message_again(messages, text):
    async with Made().ready() as (provider, _):
        assert await heard(provider, messages) == text


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url"}]}]},
            "messages[-1].content[1]",
        ),
    ],
)
async def test_it_refuses_what_nobody_would_get(more, param):
    async with Made().ready() as (provider, _):
        with pytest.raises(NotSupported) as refused:
            await Made().ask(provider, more=more)
    assert (refused.value.param, refused.value.http_status) == (param, 400)


async def test_a_delay_paces_the_words():
    setup = Made()
    setup.options = Options(delay=0.02)
    async with setup.ready() as (provider, _):
        started = time.monotonic()
        chunks = await setup.ask(provider, "one two three")

        assert time.monotonic() - started >= 0.06
        assert len(chunks) >= 4


async def test_its_models_are_those_of_the_row():
    setup = Made()
    setup.options = Options(models=("a", "b"))
    async with setup.ready() as (provider, _):
        assert [(model.id, model.owned_by) for model in await provider.models()] == [("a", "echo"), ("b", "echo")]


def test_a_negative_delay_is_refused():
    with pytest.raises(Invalid):
        Options(delay=-1)
