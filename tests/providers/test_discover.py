"""What is found without configuration, and an address in the environment that is none."""

from __future__ import annotations

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
    embedded = discover.embedded()
    assert embedded is None or not embedded.local


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
