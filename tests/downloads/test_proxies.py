"""The proxy of the environment, and when not."""

from __future__ import annotations

import pytest
from yarl import URL

from llms.downloads.proxies import proxy_options
from llms.protocol.errors import InvalidRequest

PROXY = {"https_proxy": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        (PROXY, "https://host/a"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://host/a"),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://host/a"),
        ({**PROXY, "no_proxy": "other,.elsewhere"}, "https://host/a"),
        ({**PROXY, "no_proxy": "ost"}, "https://host/a"),
    ],
)
def test_it_is_asked(environ: dict[str, str], url: str) -> None:
    assert proxy_options(url, environ) == {"proxy": URL("http://proxy:3128")}


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "https://host/a"),
        (PROXY, "http://host/a"),
        ({**PROXY, "no_proxy": "*"}, "https://host/a"),
        ({**PROXY, "NO_PROXY": "x, host"}, "https://host/a"),
        ({**PROXY, "no_proxy": ".example"}, "https://a.example:8/a"),
        ({**PROXY, "no_proxy": "example"}, "https://a.EXAMPLE/a"),
        ({**PROXY, "no_proxy": "host:8"}, "https://me@host:8/a"),
    ],
)
def test_it_is_not_asked(environ: dict[str, str], url: str) -> None:
    assert proxy_options(url, environ) == {}


def test_its_password_goes_into_a_header_of_its_own() -> None:
    found = proxy_options("https://host/a", {"https_proxy": "http://me:p%40ss@proxy:1"})

    assert found["proxy"] == URL("http://proxy:1")
    assert found["proxy_headers"] == {"Proxy-Authorization": "Basic bWU6cEBzcw=="}


@pytest.mark.parametrize(
    "proxy", ["http://me:secret@[bad", "http://me:secret@proxy:99999", "http://", "socks5://me:secret@proxy:1"]
)
def test_one_that_is_no_address_is_told_without_its_password(proxy: str) -> None:
    with pytest.raises(InvalidRequest, match="https_proxy") as refused:
        proxy_options("https://host/a", {"https_proxy": proxy})

    assert "secret" not in refused.value.message
