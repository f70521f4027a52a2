"""docs/API_REFERENCE.md: every route, error code and header is in it, and none that is not there."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import llms.server
from llms.protocol.errors import LlmsError, UpstreamRejected
from tests.docs.markdown import ROOT, codes, rows

PAGE = "docs/API_REFERENCE.md"
SERVER = Path(llms.server.__file__).parent
SINGLE_WORDS = {
    "Accept",
    "Allow",
    "Authorization",
    "Connection",
    "Cookie",
    "ETag",
    "Expect",
    "Host",
    "Origin",
    "Server",
    "Vary",
}
NO_HEADERS = {"same-origin", "keep-alive", "no-cache", "no-referrer"}


def _classes(kind: type[LlmsError] = LlmsError) -> Iterator[type[LlmsError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__.startswith("llms."):
            yield from _classes(each)


def _constants(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _headers_in_code() -> set[str]:
    """Return every text of the server that looks like the name of a header, in lower case."""
    found = {text for path in SERVER.glob("*.py") for text in _constants(path)}
    names = {text for text in found if re.fullmatch(r"[A-Za-z]+(-[A-Za-z]+)+", text)} - NO_HEADERS
    return {name.lower() for name in names | {word for word in SINGLE_WORDS if {word, word.lower()} & found}}


def _documented_headers() -> set[str]:
    return {row.key.lower() for row in rows(PAGE, first="header")}


def test_routes_are_those_of_the_schema() -> None:
    document = json.loads((SERVER / "openapi.json").read_text())
    described = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}

    assert {row.key for row in rows(PAGE, first="route")} == described


def test_public_routes_are_marked() -> None:
    document = json.loads((SERVER / "openapi.json").read_text())
    for row in rows(PAGE, first="route"):
        method, _, path = row.key.partition(" ")
        is_public = document["paths"][path][method.lower()].get("security") == []
        assert row.cells[1].startswith("Public.") == is_public, row.key


def test_every_error_class_is_documented_with_its_status() -> None:
    documented = {row.key: row.cells[1] for row in rows(PAGE, first="code")}

    for kind in _classes():
        if kind is not UpstreamRejected:
            assert documented.get(kind.default_code) == str(kind.status), kind.__name__


def test_every_code_is_one_of_the_source() -> None:
    used = {text for path in (ROOT / "llms").rglob("*.py") for text in _constants(path)}

    for row in rows(PAGE, first="code"):
        assert row.key in used


def test_codes_without_a_class_are_documented() -> None:
    documented = {row.key for row in rows(PAGE, first="code")}
    for path in (ROOT / "llms").rglob("*.py"):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                code = node.value.value
                assert not isinstance(code, str) or code in documented, f"{path}:{node.value.lineno}"


def test_every_header_of_the_code_is_documented() -> None:
    assert sorted(_headers_in_code() - _documented_headers()) == []


def test_every_documented_header_is_in_the_code() -> None:
    elsewhere = {"set-cookie", "cookie", "if-none-match"}  # aiohttp writes and reads these for us

    assert sorted(_documented_headers() - _headers_in_code() - elsewhere) == []


def test_codes_in_the_other_documents_are_documented_here() -> None:
    documented = {row.key for row in rows(PAGE, first="code")}
    for page in ("README.md", "docs/STREAMING_GUIDE.md", "docs/CONFIGURATION.md", "docs/coming-from.md"):
        for code in codes((ROOT / page).read_text()):
            if re.fullmatch(r"upstream_[a-z_]+|queue_full|[a-z]+_not_allowed", code):
                assert code in documented, f"{page}: {code}"
