"""What links lead to is fetched from the outside only, within its bounds, and the reason is told otherwise."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from llms.attachments.fetch import Fetcher
from llms.attachments.kinds import kind_of
from llms.config.model import Attachments
from llms.egress import is_public
from llms.protocol.errors import InvalidRequest
from llms.protocol.links import Link
from tests.attachments.strange import INSIDE, OUTSIDE, PNG, Names, Site, both_sites, site

RULES: dict[str, Any] = {"fetch": True, "timeout": 20}


@pytest.fixture
async def sites() -> AsyncIterator[tuple[Site, Site]]:
    """Serve on the same port of both addresses, so that a name that changes its mind would arrive."""
    async with both_sites() as found:
        yield found


@pytest.fixture
def outside(sites: tuple[Site, Site]) -> Site:
    return sites[0]


@pytest.fixture
def inside(sites: tuple[Site, Site]) -> Site:
    sites[1].body("/cat.png", PNG)
    return sites[1]


def fetcher(names: Names | None = None) -> Fetcher:
    return Fetcher(
        is_public=lambda address: address == OUTSIDE or is_public(address), resolver=lambda: names or Names()
    )


async def fetch(*urls: str, names: Names | None = None, kind: Any = "image_url", **rules: Any) -> dict[str, str]:
    links = [Link(url, f"messages[0].content[{at}].{kind}", kind) for at, url in enumerate(urls)]
    return await fetcher(names).fetch(links, Attachments.read(RULES | rules))


async def refused(*urls: str, **given: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        await fetch(*urls, **given)
    assert caught.value.param is not None
    assert f"`{caught.value.param}`" in caught.value.message
    return caught.value.message


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


async def test_a_picture_becomes_its_bytes_whatever_its_server_calls_it(outside: Site) -> None:
    url = outside.body("/cat", PNG, **{"Content-Type": "text/html"})

    assert await fetch(url, url) == {url: data_url(PNG)}
    assert len(outside.seen) == 1, "the same link twice is fetched once"


async def test_a_name_is_asked_for_once_and_its_host_is_told(outside: Site) -> None:
    names = Names(pictures_example=[[OUTSIDE]])
    outside.body("/cat", PNG)
    await fetch(outside.url("/cat", "pictures.example"), names=names)

    [request] = outside.seen
    assert request.headers["Host"] == f"pictures.example:{outside.port}"
    assert names.asked == ["pictures.example"]
    assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)


@pytest.mark.parametrize("answers", [[INSIDE], [OUTSIDE, INSIDE], [INSIDE, OUTSIDE], ["::1"], ["::ffff:127.0.0.1"]])
async def test_a_name_that_leads_inside_is_not_asked(outside: Site, inside: Site, answers: list[str]) -> None:
    names = Names(evil_example=[answers])
    outside.body("/cat.png", PNG)

    assert "this machine or its network" in await refused(outside.url("/cat.png", "evil.example"), names=names)
    assert (inside.seen, outside.seen) == ([], [])


async def test_a_name_that_changes_its_mind_arrives_nowhere_else(outside: Site, inside: Site) -> None:
    names = Names(evil_example=[[OUTSIDE], [INSIDE]])
    outside.body("/cat.png", PNG)
    url = outside.url("/cat.png", "evil.example")

    assert await fetch(url, names=names) == {url: data_url(PNG)}
    assert len(names.asked) == 1, "between the check and the connection nobody is asked again"
    assert "this machine or its network" in await refused(url, names=names)
    assert inside.seen == []


async def test_a_redirect_to_a_name_that_changed_its_mind(outside: Site, inside: Site) -> None:
    names = Names(evil_example=[[OUTSIDE], [INSIDE]])
    outside.redirect("/", outside.url("/cat.png", "evil.example"))

    assert "this machine or its network" in await refused(outside.url("/", "evil.example"), names=names)
    assert inside.seen == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "10.0.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "[fe80::1]",
    ],
)
@pytest.mark.parametrize("through", ["at once", "by a redirect"])
async def test_an_address_inside_is_not_asked(outside: Site, inside: Site, host: str, through: str) -> None:
    url = f"http://{host}:{inside.port}/cat.png"
    link = url if through == "at once" else outside.redirect("/", url)

    assert "this machine or its network" in await refused(link)
    assert inside.seen == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "localhost", "metadata.google.internal"])
async def test_other_spellings_are_names_that_the_resolver_does_not_know(inside: Site, host: str) -> None:
    await refused(f"http://{host}:{inside.port}/cat.png")
    assert inside.seen == []


async def test_redirects_are_followed_three_times_without_cookies(outside: Site) -> None:
    outside.body("/3", PNG)
    for step, status in ((0, 301), (1, 307), (2, 308)):
        outside.redirect(f"/{step}", f"/{step + 1}", status)
    outside.redirect("/start", "/0")

    assert await fetch(outside.url("/0")) == {outside.url("/0"): data_url(PNG)}
    assert "more than 3 times" in await refused(outside.url("/start"))
    assert not any("Cookie" in request.headers for request in outside.seen)


@pytest.mark.parametrize(
    "to", ["", "file:///etc/passwd", "ftp://127.0.0.2/x", "http://", "http://[", "data:image/png,"]
)
async def test_a_redirect_to_something_else_ends(outside: Site, to: str) -> None:
    await refused(outside.redirect("/", to))


async def flood(request: web.Request) -> web.StreamResponse:
    """Answer a picture without end and without a length."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(PNG)
    try:
        while True:
            await answer.write(b"\0" * 65536)
            await asyncio.sleep(0)
    except ConnectionError:
        return answer


async def trickle(request: web.Request) -> web.StreamResponse:
    """Begin a picture and say no more."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(PNG)
    await asyncio.Event().wait()
    return answer


async def test_bytes_without_a_length_are_counted_as_they_come(outside: Site) -> None:
    outside.answers["/flood"] = flood

    assert "attachments.max_bytes" in await refused(outside.url("/flood"), max_bytes=300_000)


async def test_a_length_that_is_too_long_is_believed(outside: Site) -> None:
    assert "attachments.max_bytes" in await refused(outside.body("/", PNG), max_bytes=len(PNG) - 1)


async def test_all_links_of_a_request_share_the_bytes(outside: Site) -> None:
    urls = [outside.body(f"/{number}", PNG) for number in range(3)]

    assert len(await fetch(*urls, max_bytes=3 * len(PNG))) == 3
    assert "content[2]" in await refused(*urls, max_bytes=3 * len(PNG) - 1)


async def test_a_body_that_does_not_come_is_waited_for_so_long(outside: Site) -> None:
    outside.answers["/slow"] = trickle

    assert "attachments.timeout" in await refused(outside.url("/slow"), timeout="50ms")


@pytest.mark.parametrize("data", [b"", b"<html>", b"GIF", b"RIFF1234WAVE", b"\x7fELF" + PNG])
async def test_what_is_no_picture_is_refused(outside: Site, data: bytes) -> None:
    message = await refused(outside.body("/", data, **{"Content-Type": "image/png"}))

    assert "something else than image/png" in message


async def test_types_may_be_fewer_and_a_picture_is_no_paper(outside: Site) -> None:
    paper = outside.body("/paper", b"%PDF-1.7 ...")
    picture = outside.body("/cat", PNG)

    assert await fetch(paper, kind="file") == {paper: data_url(b"%PDF-1.7 ...", "application/pdf")}
    assert "something else" in await refused(paper)
    assert "something else than image/gif" in await refused(picture, types=["image/gif"])


async def test_a_compressed_answer_is_not_unpacked(outside: Site) -> None:
    await refused(outside.body("/", b"\x1f\x8b\x08" + bytes(20), **{"Content-Encoding": "gzip"}))
    assert outside.seen[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("allowed", "fits"),
    [
        (["pictures.example"], True),
        (["PICTURES.example"], True),
        (["*.example"], True),
        (["example"], False),
        (["*.pictures.example"], False),
        (["ictures.example"], False),
    ],
)
async def test_hosts_may_be_few(outside: Site, allowed: list[str], fits: bool) -> None:
    outside.body("/cat", PNG)
    url, names = outside.url("/cat", "pictures.example"), Names(pictures_example=[[OUTSIDE]])
    if fits:
        assert await fetch(url, names=names, allow_hosts=allowed)
    else:
        assert "attachments.allow_hosts" in await refused(url, names=names, allow_hosts=allowed)
        assert names.asked == []


async def test_a_redirect_leaves_the_few_hosts_in_vain(outside: Site) -> None:
    link = outside.redirect("/", outside.url("/cat", "elsewhere.example"))
    names = Names(elsewhere_example=[[OUTSIDE]])

    assert "attachments.allow_hosts" in await refused(link, names=names, allow_hosts=[OUTSIDE])
    assert names.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://[::1",
        "https://a b/",
        "http://x:99999/",
        "http://me:pw@x.example/",
        "http:/x",
        "http://x\\@y.example/",
    ],
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    assert "pw" not in await refused(url)


async def test_a_status_a_closed_door_and_an_unknown_name(outside: Site) -> None:
    async with site(OUTSIDE) as gone:
        address = gone.url("/cat")

    assert "status 404" in await refused(outside.url("/none"))
    assert "could not be fetched" in await refused(address)
    assert "does not exist" in await refused("http://nobody.example/")


async def test_no_proxy_is_asked(outside: Site, inside: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, inside.url("/"))
    url = outside.body("/cat", PNG)

    assert await fetch(url) == {url: data_url(PNG)}
    assert inside.seen == []


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"%PDF-2.0", "application/pdf"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"", None),
    ],
)
def test_kinds_are_told_by_their_beginnings(data: bytes, kind: str | None) -> None:
    assert kind_of(data) == kind
