"""What a provider cannot do goes to the next target of the model, whatever the dialect."""

from __future__ import annotations

import json

import pytest

from llms.testing.fake_upstream import FakeUpstream
from tests.matrix.client import Client
from tests.matrix.clients import CLIENTS
from tests.matrix.facts import IMAGE, TOOLS, Case, asked_of
from tests.matrix.test_matrix import named
from tests.matrix.upstreams import OpenAI
from tests.proxy import ask, serving

FIRST = (
    ("echo", "echo", TOOLS),
    ("echo", "echo", IMAGE),
    pytest.param("llama_cpp", "demo", IMAGE, marks=pytest.mark.local),
)


@pytest.mark.parametrize("client", [one for one in CLIENTS if one.name != "completions"], ids=named)
@pytest.mark.parametrize(("kind", "model", "case"), FIRST)
async def test_the_next_target_is_asked(client: Client, kind: str, model: str, case: Case) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(OpenAI().says(case.answer))
        text = (
            f'providers:\n  a: {{type: {kind}}}\n  b: {{type: openai_compatible, base_url: "{upstream.url}"}}\n'
            f"models:\n  m: {{targets: [a/{model}, b/other]}}\n"
        )
        async with serving(text) as proxy:
            reply = await ask(proxy, client.body(case, "m"), path=client.path)
        assert reply.status == 200
        assert client.facts(json.loads(reply.body)) == case.answer
        assert OpenAI().asked(upstream.chats[-1].json) == asked_of(case)
