"""`llms models` and `llms providers`: what is there, and who did not answer."""

from __future__ import annotations

import asyncio
import json
import signal

from llms.testing.fake_upstream import MODEL, FakeUpstream, answer, error, stall
from tests.cli.conftest import Home, Run, ended

ROUTER = {
    "id": "big/model",
    "context_length": 131072,
    "pricing": {"prompt": "0.000003", "completion": "0.000015"},
}


def file_of(upstream: FakeUpstream, silent: FakeUpstream) -> str:
    return (
        f'providers:\n  good: {{type: openai_compatible, base_url: "{upstream.url}"}}\n'
        f'  silent: {{type: openai_compatible, base_url: "{silent.url}"}}\n'
        '  keyless: {type: openai, api_key: "${MY_KEY}"}\n'
        "models:\n"
        "  smart: {targets: [keyless/x, good/big/model]}\n"
        '  "wild*": {targets: ["good/*"]}\n'
    )


async def test_models_with_what_is_known_of_them(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream, FakeUpstream(refuses=True) as silent:
        upstream.models([ROUTER, MODEL])
        home.write(file_of(upstream, silent))
        ran = await llms("models", "--json")

    assert ran.code == 0
    told = {"context_window": "upstream", "price": "upstream"}
    router = {"context_window": 131072, "price": {"input": 3.0, "output": 15.0}, "facts_from": told}
    assert json.loads(ran.out) == [
        {"id": "smart", "provider": None, **router},
        {"id": "good/big/model", "provider": "good", **router},
        {"id": f"good/{MODEL}", "provider": "good", "context_window": None, "price": None},
    ]
    assert ran.err.startswith("silent: cannot connect to 127.0.0.1:")
    assert len(ran.err.splitlines()) == 1


async def test_models_as_aligned_text(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream, FakeUpstream(refuses=True) as silent:
        upstream.models([ROUTER, "plain\x1b[31m[bold]"])
        home.write(file_of(upstream, silent))
        ran = await llms("models")

    assert ran.out.splitlines() == [
        "model                  provider  context  $ in / out  can",
        "smart                  (alias)   131,072  3 / 15",
        "good/big/model         good      131,072  3 / 15",
        "good/plain [31m[bold]  good",
    ]


async def test_no_model_at_all_is_a_failure(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.models(error(500, message="no list today"))
        home.write(f'providers:\n  only: {{type: openai_compatible, base_url: "{upstream.url}"}}\n')
        ran = await llms("models")
        home.write("discover: false\n")
        none = await llms("models")

    assert (ran.code, ran.out, ran.err) == (1, "", "only: no list today\n")
    assert (none.code, none.out) == (1, "")
    assert "llms config init" in none.err


async def test_providers_and_their_state(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream, FakeUpstream(refuses=True) as silent:
        home.write(file_of(upstream, silent))
        ran = await llms("providers", "--json")
        table = await llms("providers")

    good, broken, keyless = json.loads(ran.out)
    assert ran.code == 0
    assert good == {"name": "good", "type": "openai_compatible", "state": "ready", "source": "providers.yaml"}
    assert broken["state"].startswith("cannot connect to 127.0.0.1:")
    assert keyless == {"name": "keyless", "type": "", "state": "needs MY_KEY", "source": "providers.yaml"}
    assert table.out.splitlines()[0].split() == ["provider", "type", "state", "from"]
    assert table.out.splitlines()[1].split() == ["good", "openai_compatible", "ready", "providers.yaml"]


async def test_what_discovery_finds_says_where_from(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        home.write("discover: true\n")
        environ = {"GROQ_API_KEY": "sk-planted-0123456789", "GROQ_BASE_URL": upstream.url}
        ran = await llms("providers", "--json", **environ)

    assert {"name": "groq", "type": "groq", "state": "ready", "source": "GROQ_API_KEY"} in json.loads(ran.out)
    assert "sk-planted" not in ran.out + ran.err


async def test_a_provider_that_cannot_be_built_says_why(home: Home, llms: Run) -> None:
    home.write('providers:\n  odd: {type: sdk, client: "no_such_module:Client"}\n')
    ran = await llms("providers", "--json")

    (odd,) = json.loads(ran.out)
    assert ran.code == 0
    assert "no_such_module" in odd["state"]


async def test_ctrl_c_while_providers_are_asked(home: Home) -> None:
    async with FakeUpstream() as upstream:
        upstream.models(answer(stall()))
        home.write(f'providers:\n  only: {{type: openai_compatible, base_url: "{upstream.url}"}}\n')
        process = await home.start("models")
        async with asyncio.timeout(30):
            while not upstream.requests:
                await asyncio.sleep(0.02)
        process.send_signal(signal.SIGINT)
        ran = await ended(process)

    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "")


async def test_what_an_upstream_says_in_many_lines_is_one(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.models(error(500, message="first\nsecond\x1b[31m\r\nthird"))
        home.write(f'providers:\n  only: {{type: openai_compatible, base_url: "{upstream.url}"}}\n')
        ran = await llms("models")

    assert ran.err == "only: first second [31m third\n"
