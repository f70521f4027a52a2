"""What is found without configuration, and an address in the environment that is none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import aiohttp
import pytest

from llms.providers import discover, registry
from llms.providers.known import KNOWN
from llms.testing.fake_upstream import FakeUpstream

BROKEN = ["http://[bad", "http://[::1", "http://host:99999", "http://host:port"]


@pytest.mark.parametrize("address", BROKEN)
def test_a_hosted_provider_with_a_broken_address_is_found_and_its_problem_told(address: str) -> None:
    (found,) = discover.from_environment({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": address})
    (problem,) = registry.validate(found.type, found.options)

    assert (found.name, found.local) == ("openai", False)
    assert problem.path == ("base_url",)
    assert "must be an http:// or https:// address" in problem.message


@pytest.mark.parametrize("address", BROKEN)
async def test_a_local_server_with_a_broken_address_names_the_variable(address: str) -> None:
    async with aiohttp.ClientSession() as http:
        found = {
            row.name: row for row in await discover.local_servers(http, {"OLLAMA_BASE_URL": address}, own_port=None)
        }

    assert found["ollama"].why == "OLLAMA_BASE_URL is not an address"
    assert [problem.path for problem in registry.validate("ollama", found["ollama"].options)] == [("base_url",)]


async def test_a_server_that_answers_is_local() -> None:
    async with FakeUpstream() as upstream, aiohttp.ClientSession() as http:
        environ = {"OLLAMA_BASE_URL": upstream.url}
        found = {row.name: row for row in await discover.local_servers(http, environ, own_port=None)}

    assert found["ollama"].local
    assert found["ollama"].why == f"answers on port {KNOWN['ollama'].port}"


@pytest.mark.parametrize("installed", [(), ("llama_cpp",), ("xllamacpp",), ("llama_cpp", "xllamacpp")])
def test_local_models_are_offered_where_a_library_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: tuple[str, ...]
) -> None:
    find = importlib.util.find_spec
    libraries = {"llama_cpp": "llama-cpp-python", "xllamacpp": "xllamacpp"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find("json") if name in installed else None)
    bare, found = discover.embedded(), discover.embedded(tmp_path)

    assert discover.libraries() == [libraries[name] for name in installed]
    assert (discover.local_hint() is None, bare is not None, found is not None) == (bool(installed),) * 3
    if bare is not None and found is not None:
        assert (bare.name, bare.type, bare.local, bare.why) == ("local", "llama_cpp", False, "embedded demo model")
        assert bare.options == {"models": {"demo": {"path": "embedded"}}}
        assert found.options == {**bare.options, "folder": str(tmp_path / "models")}
        assert [list(registry.validate(row.type, row.options)) for row in (bare, found)] == [[], []]
    else:
        assert discover.local_hint() == "local models need a library: pip install 'llms[local]'"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://host", "http://host/v1"),
        ("http://host:1/", "http://host:1/v1"),
        ("http://host/api", "http://host/api"),
        ("http://[bad", "http://[bad"),
    ],
)
def test_an_address_that_is_a_host_alone_gets_the_usual_path(given: str, used: str) -> None:
    assert KNOWN["openai"].options({"OPENAI_BASE_URL": given})["base_url"] == used
