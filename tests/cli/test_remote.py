"""Which address is meant, and who answers there."""

from __future__ import annotations

import pytest

from llms.cli.in_process import InProcess
from llms.cli.remote import Remote, is_ours
from llms.cli.whom import Wish, whom
from llms.protocol.errors import LlmsError
from llms.testing.fake_upstream import FakeUpstream, body
from tests.cli.conftest import ECHO, Home, Serve


async def test_our_servers_are_known_from_others(home: Home, serve: Serve) -> None:
    home.write(ECHO)
    async with serve() as server, FakeUpstream() as foreign, FakeUpstream(refuses=True) as nobody:
        assert await is_ours(f"{server.url}/v1")
        assert not await is_ours(foreign.url)
        assert not await is_ours(nobody.url)


async def test_whom_to_ask(home: Home, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """In turn: --url, --config, LLMS_URL, a local OPENAI_BASE_URL of ours, the usual port, in process."""
    monkeypatch.chdir(home.path)
    for name, value in home.environ().items():
        monkeypatch.setenv(name, value)
    path = home.write(ECHO)
    async with serve() as server, FakeUpstream() as foreign, FakeUpstream(refuses=True) as nobody:

        async def place(wish: Wish, **environ: str) -> str:
            async with await whom(wish, environ) as answering:
                assert isinstance(answering, Remote | InProcess)
                return answering.place

        ours = f"{server.url}/v1"
        monkeypatch.setattr("llms.cli.whom._USUAL", nobody.url)
        assert await place(Wish(url="http://192.0.2.1"), LLMS_URL=ours) == "http://192.0.2.1/v1"
        assert await place(Wish(config=str(path)), LLMS_URL=ours) == "in process"
        assert await place(Wish(), LLMS_URL="http://192.0.2.1", OPENAI_BASE_URL=ours) == "http://192.0.2.1/v1"
        assert await place(Wish(), OPENAI_BASE_URL=ours) == ours
        assert await place(Wish(), OPENAI_BASE_URL=foreign.url) == "in process"
        assert await place(Wish(), OPENAI_BASE_URL="https://api.example.com/v1") == "in process"
        assert await place(Wish()) == "in process"
        monkeypatch.setattr("llms.cli.whom._USUAL", ours)
        assert await place(Wish()) == ours


async def test_a_list_that_is_none(home: Home) -> None:
    async with FakeUpstream() as upstream:
        upstream.models(body({"models": "none"}))
        async with await whom(Wish(url=upstream.url), {}) as answering:
            with pytest.raises(LlmsError, match="does not answer like OpenAI's API"):
                await answering.models()
