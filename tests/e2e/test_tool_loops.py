"""The clients that people build with, each holding a conversation with tools in front of every kind of provider."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llms.providers.llama_cpp import provider as llama_cpp
from llms.providers.llama_cpp.model import LocalModel
from llms.testing.fake_upstream import FakeUpstream
from tests.e2e.clients import story
from tests.e2e.clients.environments import node_with, python_with
from tests.e2e.clients.scripted_model import LOADER
from tests.e2e.clients.upstreams import BEDROCK, CHAT, GEMINI, MESSAGES, Dialect
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
    called: list[Any] = []
    text: str = ""
    usage: list[int] | None = None
    thoughts: str | None = None
    problem: str = ""


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
        return LocalModel(replace(wanted, library=LOADER), **more)

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
    child = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, complaints = await asyncio.wait_for(child.communicate(), PATIENCE)
    assert (child.returncode, complaints.decode()) == (0, "")
    return [Line(**json.loads(line)) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("packages", "script", "ways"),
    [
        (PYTHON, "openai_sdk.py", ("chat", "responses", "responses_kept")),
        (PYTHON, "anthropic_sdk.py", ("messages",)),
        (PYTHON, "langchain_models.py", ("chat", "responses", "messages")),
        (PYTHON, "agents_sdk.py", ("chat", "responses")),
        (PYTHON, "pydantic_agents.py", ("chat", "responses", "messages")),
        (LLAMA_INDEX, "llama_index_agents.py", ("chat",)),
    ],
    ids=lambda value: value.removesuffix(".py") if isinstance(value, str) else "",
)
async def test_python(house: House, packages: tuple[str, ...], script: str, ways: tuple[str, ...]) -> None:
    python = await asyncio.to_thread(python_with, *packages)
    lines = await lines_of([str(python), str(SCRIPTS / script), house.url, *MODELS], SCRIPTS)
    await judge(house, lines, ways)


async def test_vercel(house: House) -> None:
    folder = await asyncio.to_thread(node_with, *NODE)
    script = shutil.copy(SCRIPTS / "vercel.mjs", folder)
    told = json.dumps({"question": story.QUESTION, "tools": story.TOOLS})
    lines = await lines_of(["node", script, house.url, told, *MODELS], folder)
    await judge(house, lines, ("chat", "responses", "compatible", "messages"))


async def judge(house: House, lines: list[Line], ways: tuple[str, ...]) -> None:
    import pprint
    out = []
    for line in lines:
        out.append(line._asdict())
    for kind, up in house.upstreams.items():
        out.append((kind, len(up.chats), [KINDS[kind][1].read(s.json)._asdict() for s in up.chats]))
    ended = await house.proxy.all_ended(1)
    out.append((len(ended),[ (e.model, str(e)[:100]) for e in ended][:1]))
    Path('/tmp/cl/out.json').write_text(json.dumps(out, ensure_ascii=False, indent=1, default=str))
    for l in lines:
        good = not l.problem and (l.model=="echo" or (l.text==story.ANSWER and len(l.called)==2))
        print(l.way,l.model,"OK" if good else "BAD", l.problem[-900:] or l.text, l.usage, repr(l.thoughts))
    for kind, up in house.upstreams.items():
        print(kind, len(up.chats))
        for n,s in enumerate(up.chats):
            h = KINDS[kind][1].read(s.json)
            e = KINDS[kind][1].expected(n%3)
            if h!=e: print("  ", ways[n//3] if n//3<len(ways) else '?', n%3, "PAST" if h.past!=e.past else "", "KEPT" if h.kept!=e.kept else "", h if h.past!=e.past else h.kept, seen_path(s))

def seen_path(s): return s.path
