"""The providers of the matrix, each behind a whole proxy and in front of an upstream of its own dialect."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from llms.providers.llama_cpp import inventory
from llms.providers.llama_cpp.load import Load
from llms.testing.fake_upstream import FakeUpstream
from llms.testing.seen import Seen
from tests.matrix.bedrock_upstream import Bedrock
from tests.matrix.child import ALIAS, HEARD, LOADER
from tests.matrix.facts import ERROR, LAST, REASONING, STRUCTURED, TEXT, TOOLS, Asked, Case, Facts, Spent
from tests.matrix.gemini_upstream import Gemini
from tests.matrix.upstreams import BROKEN, SLOW_DOWN, Anthropic, OpenAI, Upstream
from tests.proxy import Proxy, serving


@dataclass(frozen=True)
class Bench:
    """A proxy with one provider, `up`, and what stands behind it."""

    proxy: Proxy
    upstream: FakeUpstream | None


@dataclass(frozen=True)
class Remote:
    """A provider that asks an upstream over HTTP."""

    name: str
    speaks: Upstream
    row: str
    """With URL for the address."""
    model: str = "up/fake-model"
    signs_calls: bool = False
    """Whether or not it has told thoughts."""
    untold: str = ""
    """The kind of tokens that the upstream doesn't count."""

    @asynccontextmanager
    async def ready(self, folder: Path) -> AsyncGenerator[Bench]:
        async with FakeUpstream() as upstream:
            row = self.row.replace("URL", upstream.url).replace("ROOT", upstream.url.removesuffix("/v1"))
            text = f"providers:\n  up: {{{row}, retries: 0}}\n"
            async with serving(text, environ={"LLMS_DATA_DIR": str(folder)}) as proxy:
                yield Bench(proxy, upstream)

    def asks(self, case: Case) -> tuple[Case, str]:
        """Return the case in a form for this target, and the model to ask."""
        signed = case.answer.calls and self.signs_calls
        answer = case.answer._replace(usage=self._counted(case.answer.usage))
        return replace(case, answer=answer, signature=REASONING.signature if signed else case.signature), self.model

    def prepare(self, bench: Bench, case: Case) -> None:
        """Have the upstream say what the case wants, and then the last words."""
        assert bench.upstream is not None
        bench.upstream.script(self.speaks.says(case.answer, case.signature), self.speaks.says(LAST))

    def prepare_refusal(self, bench: Bench, *, stream: bool) -> tuple[int | None, str]:
        """Have the upstream refuse; return status and words of the error, no status where it can't be had so."""
        assert bench.upstream is not None
        bench.upstream.script(self.speaks.refuses())
        return 429, SLOW_DOWN

    def prepare_break(self, bench: Bench, case: Case) -> str | None:
        """Have the upstream break off in the middle; return the words of the error, None where it can't be had so."""
        assert bench.upstream is not None
        bench.upstream.script(self.speaks.breaks(case.answer.text))
        return BROKEN

    def arrived(self, bench: Bench, answer: Facts) -> Asked:
        """Return what reached the upstream last."""
        assert bench.upstream is not None
        return self.speaks.asked(_last(bench.upstream).json)

    def settled(self, expected: Facts, got: Facts) -> Facts:
        """Return what is expected, with what nobody can know before."""
        return expected._replace(usage=self._counted(expected.usage))

    def _counted(self, spent: Spent) -> Spent:
        return spent._replace(**{self.untold: 0}) if self.untold else spent


class Local:
    """Local models: the demo where it can, else a scripted library in a child process of its own."""

    name = "llama_cpp"
    _real: Mapping[str, str] = {TEXT.name: "ping", STRUCTURED.name: "ping", TOOLS.name: "ping"}

    @asynccontextmanager
    async def ready(self, folder: Path) -> AsyncGenerator[Bench]:
        def load(**wanted: Any) -> Load:
            return Load(**{**wanted, "loader": LOADER} if wanted["alias"] == ALIAS else wanted)

        text = (
            f"providers:\n  up: {{type: llama_cpp, models: {{demo: {{path: embedded}}, {ALIAS}: {{path: embedded}}}}}}"
        )
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(inventory, "Load", load)
            async with serving(text, environ={"LLMS_DATA_DIR": str(folder)}) as proxy:
                yield Bench(proxy, None)

    def asks(self, case: Case) -> tuple[Case, str]:
        if case.name not in self._real:
            return replace(case, question=case.name, signature=""), f"up/{ALIAS}"
        answer = case.answer._replace(text="pong") if case.name == TEXT.name else case.answer
        return replace(case, question="ping", system="", answer=answer, results=()), "up/demo"

    def prepare(self, bench: Bench, case: Case) -> None:
        """Nothing can be: the model answers by itself."""

    def prepare_refusal(self, bench: Bench, *, stream: bool) -> tuple[int | None, str]:
        return None if stream else 502, BROKEN

    def prepare_break(self, bench: Bench, case: Case) -> str | None:
        return BROKEN

    def arrived(self, bench: Bench, answer: Facts) -> Asked | None:
        heard = json.loads(answer.text).get(HEARD) if answer.text.startswith('{"heard') else None
        return OpenAI().asked(heard)._replace(thinks="reasoning" in heard["messages"][0]["content"]) if heard else None

    def settled(self, expected: Facts, got: Facts) -> Facts:
        """Take the usage of a real model, the arguments that it chose, and what the scripted one says it heard."""
        assert min(got.usage[:2]) > 0
        if expected == LAST:
            return expected._replace(text=got.text)
        if expected.calls == TOOLS.answer.calls and not expected.thought:
            [call] = got.calls
            assert call.id
            assert json.loads(call.arguments)["city"] in ("Zürich", "Ulm")
            expected = expected._replace(calls=(expected.calls[0]._replace(id=call.id, arguments=call.arguments),))
        return expected._replace(usage=got.usage)


class Echo:
    """The provider that repeats the question."""

    name = "echo"

    @asynccontextmanager
    async def ready(self, folder: Path) -> AsyncGenerator[Bench]:
        async with serving("providers: {up: {type: echo}}", environ={"LLMS_DATA_DIR": str(folder)}) as proxy:
            yield Bench(proxy, None)

    def asks(self, case: Case) -> tuple[Case, str]:
        said = case.answer.text
        if case is ERROR:
            return case, "up/\n"
        answer = Facts(text=said, calls=case.answer.calls if not case.thinks else ())
        return replace(case, question=said or case.question, answer=answer, results=(), signature=""), "up/echo"

    def prepare(self, bench: Bench, case: Case) -> None:
        """Nothing has to be."""

    def prepare_refusal(self, bench: Bench, *, stream: bool) -> tuple[int | None, str]:
        return 400, "`model` must be"

    def prepare_break(self, bench: Bench, case: Case) -> str | None:
        return None

    def arrived(self, bench: Bench, answer: Facts) -> Asked | None:
        return None

    def settled(self, expected: Facts, got: Facts) -> Facts:
        assert min(got.usage[:2]) > 0
        return expected._replace(usage=got.usage)


def _last(upstream: FakeUpstream) -> Seen:
    return upstream.chats[-1]


_KEY = "api_key: sk-planted-upstream-key"
ALL: Sequence[Any] = (
    Remote("openai_compatible", OpenAI(), f'type: openai_compatible, base_url: "URL", {_KEY}'),
    Remote("anthropic", Anthropic(), f'type: anthropic, base_url: "URL", {_KEY}', "up/claude-sonnet-4-5"),
    Remote(
        "gemini",
        Gemini(),
        f'type: gemini, base_url: "URL", {_KEY}',
        "up/gemini-3-flash",
        signs_calls=True,
        untold="written",
    ),
    Remote("bedrock", Bedrock(), f'type: bedrock, base_url: "ROOT", region: us-east-1, {_KEY}', untold="thought"),
    Remote("azure", OpenAI(), f'type: azure, base_url: "ROOT", {_KEY}'),
    Remote("sdk", OpenAI(), 'type: sdk, client: "openai:AsyncOpenAI", options: {base_url: "URL", api_key: sk-planted}'),
    Local(),
    Echo(),
)
