"""The page and its files, their security headers, and no other file."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from llms.server.ui import SECURITY_HEADERS
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import one_upstream, serving
from tests.server.wire import (
    answers,
    assert_refused,
    get,
    read,
)


async def test_the_pages_have_their_security_headers() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for path in ("/", "/ui/index.html", "/ui/page.css"):
            reply = await read(proxy, path)
            assert reply.status == 200
            for name, value in SECURITY_HEADERS.items():
                assert reply.headers[name.lower()] == value
            again = await read(proxy, path, If_None_Match=reply.headers["etag"])
            assert (again.status, again.body) == (304, b"")
        policy = SECURITY_HEADERS["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "*" not in policy


_CLIMBS: Sequence[str] = [
    "../llms/app.py",
    "../../providers.yaml",
    "../../../../../../etc/passwd",
    "..%2f..%2fproviders.yaml",
    "%2e%2e/%2e%2e/providers.yaml",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "%252e%252e%252fetc%252fpasswd",
    "..%5c..%5cproviders.yaml",
    "..\\..\\providers.yaml",
    "....//....//etc/passwd",
    "..;/..;/etc/passwd",
    "./../../providers.yaml",
    "index.html/../../app.py",
    "index.html%00.css",
    "%00",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "//etc/passwd",
    "file:///etc/passwd",
    "C:/Windows/win.ini",
    "..%c0%af..%c0%afetc/passwd",
    "..%u2215..%u2215etc/passwd",
    ".git/config",
    "__init__.py",
    "index.html~",
    ".",
    "..",
]


@pytest.mark.parametrize("prefix", ["/ui/", "/", "/v1/models/", "/ui/ui/"])
@pytest.mark.parametrize("climb", _CLIMBS)
async def test_no_file_is_served_but_those_of_the_page(climb: str, prefix: str) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        for reply in await answers(proxy, get((prefix + climb).encode())):
            for line in (b"root:", b"import annotations", b"yaml-language-server", b"[core]", b"[fonts]"):
                assert line not in reply.body
            if reply.status == 200:
                assert b"<!doctype html>" in reply.body.lower() or b'"object"' in reply.body
            else:
                assert_refused(reply, 400, 404)
