"""Every dialect of clients before every provider, streamed and whole: the same facts arrive, in both directions.

What cannot be is refused in words, see `limits`. The run ends with a table of all cells.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.matrix.client import Client, events_of
from tests.matrix.clients import CLIENTS
from tests.matrix.facts import ALSO, CASES, ERROR, LAST, Asked, Case, Facts, asked_again_of, asked_of
from tests.matrix.limits import Limit, limit_of
from tests.matrix.targets import ALL, Bench
from tests.proxy import Reply, ask

_LOADING_SECONDS = 60.0
"""A local model is loaded for the first cell, and machines are busy."""
TARGETS = [pytest.param(one, marks=pytest.mark.local if one.name == "llama_cpp" else ()) for one in ALL]


def named(one: Any) -> str:
    """Return the id of a test's parameter."""
    return str(one.name).replace(" ", "-")


@pytest.mark.parametrize("client", CLIENTS, ids=named)
@pytest.mark.parametrize("target", TARGETS, ids=named)
async def test_every_cell(
    client: Client, target: Any, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    failures = []
    async with target.ready(tmp_path) as bench:
        for case in CASES:
            for stream in (True, False):
                cell = Cell(client, target, bench, stream)
                outcome = "ok"
                try:
                    limit = limit_of(client.name, target.name, case.name)
                    outcome = await (cell.refused(case, limit) if limit else cell.held(case))
                except Exception as problem:
                    outcome = "FAIL"
                    way = "stream" if stream else "whole"
                    failures.append(f"{case.name}, {way}: {type(problem).__name__}: {problem}")
                record_property("matrix", [target.name, client.name, case.name, outcome])
    assert not failures, "\n".join(failures)


@dataclass(frozen=True)
class Cell:
    """One client before one target, asking one way."""

    client: Client
    target: Any
    bench: Bench
    stream: bool

    async def refused(self, case: Case, limit: Limit) -> str:
        """Hold the server to what it refuses: in words, in the client's form, before anything is sent."""
        before = len(self.bench.upstream.chats) if self.bench.upstream else 0
        reply = await self._send(self._body(*self.target.asks(case)))
        failure = self.client.failure(reply.status, json.loads(reply.body))
        assert (failure.status, limit.words in failure.message) == (limit.status, True), failure
        assert before == (len(self.bench.upstream.chats) if self.bench.upstream else 0)
        return str(failure.status)

    async def held(self, case: Case) -> str:
        """Hold the server to a case."""
        if case is ERROR:
            await self._fails(case)
        else:
            await self._says(case)
        for more in ALSO.get(case.name, ()) if self.target.name != "echo" else ():
            await self._says(more)
        return "ok"

    async def _says(self, case: Case) -> None:
        """Hold the server to the facts of an answer, and of the one to the results of its calls."""
        case, model = self.target.asks(self._spoken(case))
        self.target.prepare(self.bench, case)
        body = self._body(case, model)
        answer = await self._answer(body)
        self._compare(case.answer, self.client.facts(answer))
        self._check_asked(asked_of(case), self.client.facts(answer))
        if case.results:
            again = self.client.again(case, body, answer, stored=self.stream)
            last = self.client.facts(await self._answer(again))
            self._compare(LAST, last)
            self._check_asked(asked_again_of(case), last)

    async def _fails(self, case: Case) -> None:
        """Let the upstream refuse, and break off in the middle of a stream."""
        case, model = self.target.asks(case)
        status, words = self.target.prepare_refusal(self.bench, stream=self.stream)
        if status is not None:
            reply = await self._send(self._body(case, model))
            failure = self.client.failure(reply.status, json.loads(reply.body))
            assert (failure.status, words in failure.message) == (status, True), failure
            assert status != 429 or reply.headers["retry-after"] == "7"
        words = self.target.prepare_break(self.bench, case)
        if self.stream and words is not None:
            reply = await self._send(self._body(case, model))
            failure = self.client.broken(events_of(reply.body))
            assert (reply.status, failure.before, words in failure.message) == (200, case.answer.text, True), failure

    def _spoken(self, case: Case) -> Case:
        """Return what of a case a completion can say: it has neither a system nor calls, and tells no thoughts."""
        if self.client.name != "completions":
            return case
        answer = case.answer._replace(calls=(), stop=case.answer.stop.replace("calls", "stop"))
        return replace(case, system="", answer=answer, results=(), signature="")

    def _body(self, case: Case, model: str) -> dict[str, Any]:
        body = self.client.body(case, model)
        if self.stream:
            body["stream"] = True
            if "/v1/messages" not in self.client.path and "/v1/responses" not in self.client.path:
                body["stream_options"] = {"include_usage": True}
        return body

    async def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        reply = await self._send(body)
        assert reply.status == 200, reply.body.decode()
        found = self.client.fold(events_of(reply.body)) if self.stream else json.loads(reply.body)
        assert isinstance(found, dict)
        return found

    async def _send(self, body: dict[str, Any]) -> Reply:
        return await ask(self.bench.proxy, body, path=self.client.path, patience=_LOADING_SECONDS)

    def _compare(self, expected: Facts, got: Facts) -> None:
        if self.client.name == "completions":
            expected = expected._replace(thought="")
        assert got == self.target.settled(expected, got)

    def _check_asked(self, expected: Asked, answer: Facts) -> None:
        arrived = self.target.arrived(self.bench, answer)
        if arrived is not None:
            assert arrived == expected
