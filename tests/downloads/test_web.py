"""Where a redirect may lead."""

from __future__ import annotations

import pytest

from llms.downloads.web import origin, redirected
from llms.protocol.errors import UpstreamProtocolError


@pytest.mark.parametrize(
    ("place", "location", "target"),
    [
        ("https://a/b/c", "https://d/e?f=g", "https://d/e?f=g"),
        ("https://a/b/c", "/e", "https://a/e"),
        ("https://a/b/c", "e", "https://a/b/e"),
        ("https://a/b/c", "//d/e", "https://d/e"),
        ("http://a/b", "https://d/e", "https://d/e"),
        ("http://a/b", "http://d/e", "http://d/e"),
    ],
)
def test_it_may_lead_to_the_web(place: str, location: str, target: str) -> None:
    assert redirected(place, location, asked=place) == target


@pytest.mark.parametrize("location", ["http://a/b", "http://d/e", "ftp://d/e", "file:///e", "", "https://["])
def test_it_may_not_lead_out_of_tls_or_of_the_web(location: str) -> None:
    with pytest.raises(UpstreamProtocolError, match="redirected"):
        redirected("https://a/b?secret=s", location, asked="https://a/b?secret=s")


def test_an_origin_has_its_usual_port() -> None:
    assert origin("https://Host/a") == origin("https://host:443") != origin("http://host") == origin("http://host:80")
    assert origin("http://host:8000") != origin("http://host:8001")


def test_tls_is_kept_however_its_scheme_was_written() -> None:
    with pytest.raises(UpstreamProtocolError, match="from https to http"):
        redirected("HTTPS://a/b", "http://a/b", asked="HTTPS://a/b")
