"""The clients that people build with, each holding a conversation with tools in front of every kind of provider."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llms.providers.llama_cpp import provider as llama_cpp
from llms.providers.llama_cpp.model import LocalModel
from llms.testing.fake_upstream import FakeUpstream
from tests.e2e.clients import story
from tests.e2e.clients.environments import node_with, python_with
from tests.e2e.clients.scripted_model import LOADER
from tests.e2e.clients.upstreams import BEDROCK, CHAT, GEMINI, MESSAGES, Dialect, Heard
from tests.proxy import Proxy, serving

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

SCRIPTS = Path(__file__).with_name("clients")
PYTHON = (
    "openai",
    "anthropic",
    "langchain-openai",
    "langchain-anthropic",
    "openai-agents",
    "pydantic-ai-slim[openai,anthropic]",
)
LLAMA_INDEX = ("llama-index-llms-openai-like",)
"""Wants an older openai."""
NODE = ("ai", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "@ai-sdk/anthropic")
TURNS = len(story.CALLS) + 1
PATIENCE = 120.0

KINDS: Mapping[str, tuple[str, Dialect]] = {
    "openai_compatible": ('base_url: "{url}/v1", api_key: k', CHAT),
    "azure": ('base_url: "{url}", api_key: k', CHAT),
    "sdk": ('client: "openai:AsyncOpenAI", options: {{base_url: "{url}/v1", api_key: k}}', CHAT),
    "anthropic": ('base_url: "{url}/v1", api_key: k', MESSAGES),
    "gemini": ('base_url: "{url}/v1beta", api_key: k', GEMINI),
    "bedrock": ('base_url: "{url}", api_key: k, region: us-east-1', BEDROCK),
}
"""Each kind of provider in front of an upstream: the keys of its row, and what the upstream speaks."""
MODELS = (*KINDS, "llama_cpp", "echo")


class Line(NamedTuple):
    """What a client said of one conversation."""

    way: str
    model: str
    called: list[Any]
    text: str = ""
    usage: list[int] | None = None
    thoughts: str = ""
    problem: str = ""


class Keeps(Enum):
    """What of the reasoning a client brings back."""

    ALL = "the text and what was signed"
    TEXT = "the text alone"
    NOTHING = "nothing"


@dataclass
class House:
    """A server, and the upstreams behind it by the kind of provider."""

    proxy: Proxy
    upstreams: dict[str, FakeUpstream]

    @property
    def url(self) -> str:
        return self.proxy.url.removesuffix("/v1")


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[House]:
    def scripted(wanted: Any, **more: Any) -> LocalModel:
        return LocalModel(replace(wanted, loader=LOADER), **more)

    monkeypatch.setattr(llama_cpp, "LocalModel", scripted)
    async with AsyncExitStack() as open_:
        upstreams = {kind: await open_.enter_async_context(FakeUpstream()) for kind in KINDS}
        rows = "llama_cpp: {type: llama_cpp}\n  echo: {type: echo}"
        for kind, (keys, dialect) in KINDS.items():
            upstreams[kind].on(dialect.reply)
            filled = keys.format(url=upstreams[kind].url.removesuffix("/v1"))
            rows += f"\n  {kind}: {{type: {kind}, {filled}}}"
        names = "\n".join(f"  {kind}: {{targets: [{kind}/{KINDS[kind][1].model}]}}" for kind in KINDS)
        text = f"providers:\n  {rows}\nmodels:\n{names}\n"
        text += "  llama_cpp: {targets: [llama_cpp/demo]}\n  echo: {targets: [echo/echo]}\n"
        yield House(await open_.enter_async_context(serving(text)), upstreams)


async def lines_of(command: list[str], folder: Path) -> list[Line]:
    """Run a client to its end; it must not complain."""
    child = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, complaints = await asyncio.wait_for(child.communicate(), PATIENCE)
    assert (child.returncode, complaints.decode()) == (0, "")
    return [Line(**json.loads(line)) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("script", "packages", "ways"),
    [
        ("openai_sdk.py", PYTHON, {"chat": Keeps.ALL, "responses": Keeps.ALL, "responses_kept": Keeps.ALL}),
        ("anthropic_sdk.py", PYTHON, {"messages": Keeps.ALL}),
        ("langchain_models.py", PYTHON, {"chat": Keeps.NOTHING, "responses": Keeps.ALL, "messages": Keeps.ALL}),
        ("agents_sdk.py", PYTHON, {"chat": Keeps.TEXT, "responses": Keeps.ALL}),
        ("pydantic_agents.py", PYTHON, {"chat": Keeps.TEXT, "responses": Keeps.ALL, "messages": Keeps.ALL}),
        ("llama_index_agents.py", LLAMA_INDEX, {"chat": Keeps.NOTHING}),
    ],
    ids=["openai", "anthropic", "langchain", "openai-agents", "pydantic-ai", "llama-index"],
)
async def test_python(house: House, script: str, packages: tuple[str, ...], ways: Mapping[str, Keeps]) -> None:
    python = await asyncio.to_thread(python_with, *packages)
    lines = await lines_of([str(python), str(SCRIPTS / script), house.url, *MODELS], SCRIPTS)
    await judge(house, lines, ways)


async def test_vercel(house: House) -> None:
    folder = await asyncio.to_thread(node_with, *NODE)
    script = shutil.copy(SCRIPTS / "vercel.mjs", folder)
    told = json.dumps({"question": story.QUESTION, "tools": story.TOOLS})
    lines = await lines_of(["node", script, house.url, told, *MODELS], folder)
    ways = {"chat": Keeps.NOTHING, "responses": Keeps.ALL, "compatible": Keeps.TEXT, "messages": Keeps.ALL}
    await judge(house, lines, ways)


async def judge(house: House, lines: list[Line], ways: Mapping[str, Keeps]) -> None:
    """Hold every conversation against the story, as the client tells it, as the upstreams heard it, as it is booked."""
    assert [line.problem for line in lines if line.problem] == []
    assert [(line.way, line.model) for line in lines] == [(way, model) for way in ways for model in MODELS]
    assert lines == [expected(way, model, keeps) for way, keeps in ways.items() for model in MODELS]
    for kind, upstream in house.upstreams.items():
        dialect = KINDS[kind][1]
        heard = [(kind, way, dialect.read(seen.json)) for way, seen in zip(turns_of(ways), upstream.chats, strict=True)]
        assert heard == [
            (kind, way, remembered(dialect, turn, keeps)) for way, keeps in ways.items() for turn in range(TURNS)
        ]
    ended = await house.proxy.all_ended(len(ways) * (TURNS * (len(MODELS) - 1) + 1))
    assert {(one.status, one.outcome, one.attempts, one.stream) for one in ended} == {(200, "ok", 1, True)}


def expected(way: str, model: str, keeps: Keeps) -> Line:
    """Return what a client says when nothing is lost; an echo calls nothing."""
    if model == "echo":
        words = len(story.QUESTION.split())
        return Line(way, model, [], story.QUESTION, [words, words])
    usage = [tokens * TURNS for tokens in story.USAGE]
    called = [[call.name, call.arguments] for call in story.CALLS]
    thoughts = "" if keeps is Keeps.NOTHING else "".join(story.THOUGHTS)
    return Line(way, model, called, story.ANSWER, usage, thoughts)


def turns_of(ways: Mapping[str, Keeps]) -> list[str]:
    return [way for way in ways for _ in range(TURNS)]


def remembered(dialect: Dialect, turn: int, keeps: Keeps) -> Heard:
    """Return what a request brings back; the server remembers the signatures of Gemini's calls for its clients."""
    heard = dialect.expected(turn)
    kept = keeps is Keeps.ALL or dialect is GEMINI or (keeps is Keeps.TEXT and not dialect.signs)
    return heard if kept else heard._replace(kept=[])
