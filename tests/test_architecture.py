"""Hold the rules of the house that a test can hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
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
    "gateway/passing_on.py": "the provider boundary",
    "gateway/fleet.py": "the provider boundary",
    "gateway/assemble.py": "the provider boundary",
}


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
    assert not loaded & {"aiohttp", "openai", "pydantic", "yaml", "structlog", "rich", "orjson"}


def test_serving_imports_no_sdk() -> None:
    loaded = _modules_after("import llms.app, llms.cli.running, llms.providers.openai_compatible")
    assert not loaded & {"openai", "xllamacpp", "httpx", "httpx2", "redis", "requests", "genai_prices"}


def test_the_client_library_brings_no_server() -> None:
    loaded = _modules_after("import llms.client")
    assert not loaded & {"openai", "pydantic", "structlog", "yaml", "click", "rich"}
    assert not loaded & {"llms.app", "llms.config", "llms.gateway", "llms.server"}


def test_the_protocol_floor_stands_alone() -> None:
    loaded = _modules_after("from llms.protocol import conform, fold, parse, stream")
    assert not loaded & {"asyncio", "aiohttp", "pydantic", "structlog"}
