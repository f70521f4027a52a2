"""The page of the client library: its snippets run, and its tables name what there is."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import pytest

from llms import client
from llms.client import ClientError, Reply, StreamingChunk
from tests.docs.conftest import Running
from tests.docs.markdown import blocks, codes, prose, rows
from tests.docs.test_snippets import USUAL, run

PAGE = "docs/CLIENT.md"
SAID = {"blocking": "", "loop": ", 0 reconnects", "errors": "model_not_found (404): "}
"""What each snippet says where it goes well."""


def test_every_snippet_is_run() -> None:
    assert [block.test for block in blocks(PAGE)] == list(SAID)


@pytest.mark.parametrize("name", SAID)
def test_a_snippet(name: str, server: Running, tmp_path: Path) -> None:
    [block] = [block for block in blocks(PAGE) if block.test == name]
    assert USUAL in block.text
    (tmp_path / "snippet.py").write_text(block.text.replace(USUAL, server.address), encoding="utf-8")
    printed = run([sys.executable, "snippet.py"], server, cwd=tmp_path)
    assert printed.strip()
    assert SAID[name] in printed


def test_the_calls_are_those_of_both_clients() -> None:
    told = {row.key.partition("(")[0] for row in rows(PAGE, first="call")}
    for kind in (client.Client, client.AsyncClient):
        assert told == {name for name in vars(kind) if not name.startswith("_")} - {"close"}


def test_the_errors_are_all_of_them() -> None:
    told = {name for row in rows(PAGE, first="error") for name in codes(row.cells[0])}
    there = {name for name in client.__all__ if issubclass(type(getattr(client, name)), type)}
    assert told == {name for name in there if issubclass(getattr(client, name), ClientError)} - {"ClientError"}


@pytest.mark.parametrize("kind", [StreamingChunk, Reply])
def test_the_fields_are_named(kind: type) -> None:
    named = {code.partition("=")[0] for code in codes(prose(PAGE))}
    assert {field.name for field in fields(kind)} <= named
