"""`llms check`: one tiny request to each provider, and what to mend."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

from llms.testing.fake_upstream import MODEL, Answer, FakeUpstream, Seen, cut, error, stall, text_stream
from tests.cli.conftest import ECHO, Home, Run


def row(upstream: FakeUpstream, name: str = "fake") -> str:
    return f'providers:\n  {name}: {{type: openai_compatible, base_url: "{upstream.url}"}}\n'


async def test_all_is_well(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.models(["text-embedding-3", MODEL])
        home.write(row(upstream) + "  a: {type: echo}\n")
        ran = await llms("check", "--json")
        table = await llms("check")
        sent = upstream.chats[0].json

    fake, echo = json.loads(ran.out)
    assert ran.code == 0
    assert (fake["ok"], fake["provider"], fake["model"], fake["error"]) == (True, "fake", MODEL, None)
    assert 0 < fake["ttft"] <= fake["seconds"] < 30
    assert (echo["ok"], echo["model"]) == (True, "echo")
    assert (sent["model"], sent["stream"], sent["max_tokens"]) == (MODEL, True, 16)
    assert table.out.splitlines()[1].split()[:2] == ["fake", MODEL]
    assert table.out.splitlines()[1].endswith("  ok")


FAILURES = {
    "key": (error(401), "Put a valid one into providers.key.api_key"),
    "model": (error(404, message="no such model"), "no such model. Name a model it serves with --model."),
    "busy": (error(429, message="slow down"), "slow down. Try again later, or raise the limit there."),
    "fire": (error(500, message="on fire"), "on fire."),
    "cut": (text_stream("half").first(2).then(cut()), "broke the connection"),
}


async def test_each_failure_tells_the_fix_after_one_request(home: Home, llms: Run) -> None:
    async with AsyncExitStack() as stack:
        upstreams = {name: await stack.enter_async_context(FakeUpstream()) for name in FAILURES}
        for name, (answer, _) in FAILURES.items():
            upstreams[name].script(answer)
        rows = [row(upstream, name).partition("\n")[2] for name, upstream in upstreams.items()]
        home.write("providers:\n" + "".join(rows))
        ran = await llms("check", "--json")
        assert [len(upstream.chats) for upstream in upstreams.values()] == [1] * len(FAILURES)

    assert ran.code == 1
    for found in json.loads(ran.out):
        assert found["ok"] is False
        assert FAILURES[found["provider"]][1] in found["error"]
        assert not found["error"].startswith(f"{found['provider']}: ")


async def test_one_failure_does_not_hide_the_others(home: Home, llms: Run) -> None:
    async with FakeUpstream(refuses=True) as nobody:
        home.write(row(nobody, "gone") + "  a: {type: echo}\n")
        ran = await llms("check")
        only = await llms("check", "a")

    assert ran.code == 1
    gone, echo = ran.out.splitlines()[1:]
    assert "cannot connect" in gone
    assert gone.endswith("Start it, or correct its base_url.")
    assert echo.endswith("ok")
    assert only.code == 0


async def test_silence_ends(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("half").first(1).then(stall()))
        home.write(row(upstream))
        ran = await llms("check", "--timeout", "0.5")
        await upstream.chats[0].gone()

    assert ran.code == 1
    assert "--timeout" in ran.out


async def test_a_provider_that_lists_nothing_can_be_told_a_model(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.models([])
        home.write(row(upstream))
        unnamed = await llms("check")
        named = await llms("check", "--model", "given")
        assert upstream.chats[-1].json["model"] == "given"

    assert unnamed.code == 1
    assert "It lists no model. Name one with --model." in unnamed.out
    assert named.code == 0


async def test_models_that_know_the_limit_by_its_new_name(home: Home, llms: Run) -> None:
    def picky(seen: Seen) -> Answer:
        if "max_tokens" in seen.json:
            return error(400, message="'max_tokens' is not supported; use 'max_completion_tokens'")
        return text_stream("OK")

    async with FakeUpstream() as upstream:
        upstream.script(picky)
        home.write(row(upstream))
        ran = await llms("check")
        assert upstream.chats[-1].json["max_completion_tokens"] == 16

    assert ran.code == 0


async def test_a_name_that_is_not_there(home: Home, llms: Run) -> None:
    home.write(ECHO)
    ran = await llms("check", "b")

    assert ran.code == 2
    assert ran.err == 'There is no provider "b"; there are: a.\n'


async def test_a_provider_without_its_key(home: Home, llms: Run) -> None:
    home.write(ECHO + '  o: {type: openai, api_key: "${MY_KEY}"}\n')
    alone = await llms("check", "--json")
    named = await llms("check", "o", "--json")

    assert [each["provider"] for each in json.loads(alone.out)] == ["a"]
    assert alone.code == 0
    assert json.loads(named.out)[0]["error"] == "needs MY_KEY"
    assert named.code == 1


async def test_no_provider_at_all(home: Home, llms: Run) -> None:
    home.write("discover: false\n")
    ran = await llms("check")

    assert (ran.code, ran.out) == (1, "")
    assert "llms config init" in ran.err
