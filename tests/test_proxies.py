"""Which proxy the environment asks for, and when none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.proxies import is_loopback, proxy_at, proxy_for

PROXY = {"https_proxy": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("environ", "url", "source"),
    [
        (PROXY, "https://host/a", "https_proxy"),
        ({**PROXY, "HTTPS_PROXY": "http://other:1"}, "https://host/a", "https_proxy"),
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://host/a", "HTTP_PROXY"),
        ({"ALL_PROXY": "proxy:3128", "https_proxy": " "}, "https://host/a", "ALL_PROXY"),
    ],
)
def test_each_scheme_has_its_variable(environ: dict[str, str], url: str, source: str) -> None:
    found = proxy_for(url, environ)

    assert found is not None
    assert (found.scheme, found.host, found.port, found.source) == ("http", "proxy", 3128, source)


def test_no_other_schemes_variable_counts() -> None:
    assert proxy_for("http://host/a", PROXY) is None
    assert proxy_for("https://host/a", {}) is None


@pytest.mark.parametrize(
    ("excepted", "url"),
    [
        ("*", "https://host"),
        ("x, host", "https://HOST"),
        ("x host", "https://host"),
        (".example", "https://a.example"),
        ("example", "https://a.example:8"),
        ("*.example", "https://b.a.example"),
        ("host:443", "https://host"),
        ("host:8", "https://host:8"),
        ("example:8", "https://a.example:8"),
        ("10.1.2.3", "https://10.1.2.3"),
        ("10.0.0.0/8", "https://10.1.2.3:8"),
        ("[fd00::1]", "https://[fd00::1]"),
        ("fd00::1", "https://[fd00::1]:8"),
        ("[fd00::1]:8", "https://[fd00::1]:8"),
        ("fd00::/16", "https://[fd00::1]"),
    ],
)
def test_who_is_excepted_has_none(excepted: str, url: str) -> None:
    assert proxy_for(url, {**PROXY, "NO_PROXY": excepted}) is None


@pytest.mark.parametrize(
    ("excepted", "url"),
    [
        ("ost", "https://host"),
        ("host.example", "https://host"),
        ("host:8", "https://host"),
        ("example:8", "https://a.example:9"),
        (".", "https://host"),
        (",, ", "https://host"),
        ("10.0.0.0/8", "https://11.1.2.3"),
        ("10.0.0.0/99", "https://10.1.2.3"),
        ("fd00::/16", "https://10.1.2.3"),
    ],
)
def test_others_have_one(excepted: str, url: str) -> None:
    assert proxy_for(url, {**PROXY, "no_proxy": excepted}) is not None


def test_a_password_is_decoded_for_the_proxy_and_shown_to_nobody() -> None:
    proxy = proxy_at("http://me:p%40ssword@proxy", "HTTP_PROXY")

    assert proxy.port == 80
    assert proxy.authorization == "Basic bWU6cEBzc3dvcmQ="
    assert {"p%40ssword", "p@ssword", "bWU6cEBzc3dvcmQ="} == {*proxy.secrets}
    assert not any(secret in f"{proxy!r} {proxy.place}" for secret in proxy.secrets)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "", "::2"])
def test_no_other_machine_is_this_one(host: str) -> None:
    assert not is_loopback(host)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_proxy_or_a_problem(text: str, excepted: str) -> None:
    environ = {"https_proxy": f"http://me:planted@{text}", "no_proxy": excepted}
    problem = ""
    try:
        found = proxy_for("https://host", environ)
    except ValueError as failure:
        found, problem = None, str(failure)

    assert "planted" not in problem
    assert found is None or 0 < found.port < 65536
