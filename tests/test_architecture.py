"""Hold the rules of the house that a test can hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "llms"
MODULES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "misc", "manager"}
BOUNDARIES = {
    "tasks.py": "the boundary of background duties",
    "server/access.py": "the server's error boundary",
    "gateway/lease.py": "the provider boundary",
    "gateway/answer.py": "the provider boundary",
    "gateway/inline.py": "the provider boundary, in calls of the event loop",
    "gateway/passing_on.py": "the provider boundary",
    "gateway/fleet.py": "the provider boundary",
    "gateway/assemble.py": "the provider boundary",
}


IDLE = """
import asyncio, pathlib, sys
import llms.telemetry.log  # first, as every verb does
import llms.cli.lean_aiohttp  # first, as serving does
import llms.cli.running
from llms.app import Engine
from llms.config.load import loads
from llms.server.runner import Runner

FILE = "providers: {here: {type: openai_compatible, base_url: 'http://127.0.0.1:9/v1'}}"

async def main():
    environ = {"HOME": sys.argv[-1], "LLMS_DATA_DIR": sys.argv[-1]}
    config = loads(FILE, filename="providers.yaml", environ=environ, validate_options=lambda kind, options: [])
    runner = Runner(Engine(config.changed(discover=False), environ=environ).application())
    await runner.setup()
    print(*sys.modules)
    await runner.cleanup()

asyncio.run(main())
"""
"""Prints what is loaded in a server with one relay that nobody has asked for anything."""

RARE = (
    "anthropic", "difflib", "frozenlist._frozenlist", "genai_prices", "greenlet", "httpx", "httpx2",
    "importlib.metadata", "openai", "prometheus_client", "pydantic", "redis", "requests", "rich", "xllamacpp",
    "zipfile", "llms.attachments", "llms.config.foreign", "llms.config.schema", "llms.downloads.puller",
    "llms.gateway.counting", "llms.gateway.embedding", "llms.gateway.passing_on", "llms.gateway.trial",
    "llms.model_facts.lookup", "llms.protocol.dialects.bedrock", "llms.protocol.dialects.completions",
    "llms.protocol.dialects.gemini", "llms.protocol.dialects.generate", "llms.protocol.dialects.messages",
    "llms.protocol.dialects.responses", "llms.protocol.links", "llms.protocol.multipart",
    "llms.protocol.native_reader", "llms.protocol.noting", "llms.protocol.vectors", "llms.providers._native",
    "llms.providers._sdk", "llms.providers._tunnel", "llms.providers.anthropic", "llms.providers.bedrock",
    "llms.providers.echo", "llms.providers.gemini", "llms.providers.llama_cpp", "llms.proxies",
    "llms.server.completions", "llms.server.embeddings", "llms.server.generate", "llms.server.local_models",
    "llms.server.messages", "llms.server.openapi", "llms.server.passthrough", "llms.server.responses",
    "llms.server.resumable", "llms.server.siblings", "llms.server.streams", "llms.server.ui", "llms.server.ui_page",
    "llms.server.upload", "llms.server.usage_page", "llms.stores.redis_streams", "llms.stores.sqlite_responses",
    "llms.stores.tally", "llms.streaming.batching", "llms.streaming.mirror", "llms.streaming.remote",
    "llms.streaming.replay", "llms.streaming.session", "llms.telemetry.pages", "llms.telemetry.summed",
)  # fmt: skip
"""What waits until somebody asks for it: with everything in it, an idle server is half as large again."""


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_one_concept_of_readable_size(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert path.stem not in FORBIDDEN_NAMES
    assert len(text.splitlines()) <= 300, "over 300 lines: is it still one concept?"
    if text.strip():
        assert ast.get_docstring(tree), "a module says what it is for"
    for function in _functions(tree):
        body = function.end_lineno - function.body[0].lineno + 1 if function.end_lineno else 0
        assert body <= 45, f"{function.name} has {body} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_broad_exceptions_are_caught_at_boundaries_only(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    if name in BOUNDARIES or name.startswith(("providers/", "telemetry/", "stores/", "cli/", "testing/")):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            assert not (isinstance(node.type, ast.Name) and node.type.id == "Exception"), f"line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_tasks_are_created_in_one_place(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    if name.startswith("testing/"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in ("create_task", "ensure_future"):
            assert name == "tasks.py", f"line {node.lineno}"


def test_no_module_of_the_product_uses_retired_http_clients() -> None:
    for path in MODULES:
        assert not re.search(r"^\s*(import|from) (httpx|requests)\b", path.read_text(), re.MULTILINE), path


def _modules_after(code: str) -> set[str]:
    found = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(found.stdout.split())


def test_the_overview_of_the_command_line_imports_next_to_nothing() -> None:
    loaded = _modules_after(
        "sys.argv = ['llms', '--help']\nfrom llms.cli.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert not loaded & {"aiohttp", "pydantic", "yaml", "structlog", "orjson", *RARE}


def test_serving_imports_no_sdk() -> None:
    loaded = _modules_after("import llms.app, llms.cli.running, llms.providers.openai_compatible")
    assert not loaded & {"openai", "xllamacpp", "httpx", "httpx2", "redis", "requests", "genai_prices"}


def test_the_client_library_brings_no_server() -> None:
    loaded = _modules_after("import llms.client")
    assert not loaded & {"openai", "pydantic", "structlog", "yaml", "click", "rich"}
    assert not loaded & {"llms.app", "llms.config", "llms.gateway", "llms.server"}


def test_an_idle_server_has_loaded_nothing_rare(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IDLE, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(found.stdout.split())
    assert "llms.providers.openai_compatible" in loaded
    assert not loaded & set(RARE)


def test_what_an_idle_server_lacks_is_called_so() -> None:
    assert not [name for name in RARE if name.startswith("llms.") and find_spec(name) is None]


def test_the_protocol_floor_stands_alone() -> None:
    loaded = _modules_after("from llms.protocol import conform, fold, parse, stream")
    assert not loaded & {"asyncio", "aiohttp", "pydantic", "structlog"}
