"""The page and its files: headers, addresses that name the build, compression, and no other file."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llms.server.ui import SECURITY_HEADERS
from llms.server.ui_files import UiFile, fingerprint, read
from llms.server.ui_page import boot_modules, render, static_imports
from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import Proxy, Reply, one_upstream, serving
from tests.server.wire import CORS, answers, assert_refused, get
from tests.server.wire import read as ask

POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{}'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; media-src 'self' blob:; worker-src 'none'; manifest-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
FOREVER = "public, max-age=31536000, immutable"


@asynccontextmanager
async def served(more: str = "") -> AsyncGenerator[Proxy, None]:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=more)) as proxy:
        yield proxy


async def page_of(proxy: Proxy) -> tuple[str, str]:
    """Return the page and the path of its build."""
    page = (await ask(proxy, "/")).body.decode()
    found = re.search(r'src="(/ui/[0-9a-f]{16}/)app\.mjs"', page)
    assert found
    return page, found[1]


# -- headers ------------------------------------------------------------------------------------------------


async def test_the_files_have_their_security_headers() -> None:
    async with served() as proxy:
        for path in ("/ui/theme.js", "/ui/css/base.css", "/ui/vendor/preact.mjs", "/ui/icons.svg"):
            reply = await ask(proxy, path)
            assert reply.status == 200
            assert {name: reply.headers[name.lower()] for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_the_page_has_a_policy_that_fits_its_import_map_and_nothing_else_inline() -> None:
    async with served() as proxy:
        for path in ("/", "/ui/index.html"):
            reply = await ask(proxy, path)
            rest = {name: value for name, value in SECURITY_HEADERS.items() if name != "Content-Security-Policy"}
            assert {name: reply.headers[name.lower()] for name in rest} == rest
            page = reply.body.decode()
            [inline] = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
            assert reply.headers["content-security-policy"] == POLICY.format(digest)
            assert len(re.findall(r"<script(?![^>]* src=)", page)) == 1
            assert not re.search(r"<style|\sstyle=|\son\w+=|https?:(?!//www\.w3\.org/2000/svg)", page)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/ui/app.mjs", "text/javascript; charset=utf-8"),
        ("/ui/theme.js", "text/javascript; charset=utf-8"),
        ("/ui/css/base.css", "text/css; charset=utf-8"),
        ("/ui/icons.svg", "image/svg+xml; charset=utf-8"),
        ("/ui/LICENSES/preact.txt", "text/plain; charset=utf-8"),
    ],
)
async def test_types_are_named(path: str, kind: str) -> None:
    async with served() as proxy:
        assert (await ask(proxy, path)).headers["content-type"] == kind


# -- addresses and caches -----------------------------------------------------------------------------------


async def test_everything_the_page_names_is_of_its_build_and_kept_for_good() -> None:
    async with served() as proxy:
        page, build = await page_of(proxy)
        named = set(re.findall(r'"(/ui/[^"]+)"', page))
        assert {f"{build}theme.js", f"{build}css/all.css", f"{build}vendor/preact.mjs"} <= named
        for path in named:
            assert path.startswith(build)
            reply = await ask(proxy, path)
            assert (reply.status, reply.headers["cache-control"]) == (200, FOREVER), path


async def test_files_without_the_build_and_the_page_are_checked_at_each_use() -> None:
    async with served() as proxy:
        _, build = await page_of(proxy)
        for path in ("/", "/ui/index.html", "/ui/app.mjs", "/ui/vendor/preact.mjs"):
            assert (await ask(proxy, path)).headers["cache-control"] == "no-cache"
        assert (await ask(proxy, "/ui/view.mjs")).body == (await ask(proxy, f"{build}view.mjs")).body


async def test_another_build_is_refused_and_the_page_is_in_none() -> None:
    async with served() as proxy:
        _, build = await page_of(proxy)
        for path in (
            "/ui/0123456789abcdef/app.mjs",
            f"{build}index.html",
            f"{build}no.mjs",
            f"{build}{build.removeprefix('/ui/')}app.mjs",
            build,
            build.rstrip("/"),
        ):
            assert_refused(await ask(proxy, path), 404)


async def test_a_file_in_hand_is_not_sent_again() -> None:
    async with served() as proxy:
        for path in ("/", "/ui/index.html", "/ui/app.mjs", "/ui/vendor/marked.mjs"):
            for coding in ("identity", "gzip"):
                reply = await ask(proxy, path, Accept_Encoding=coding)
                tag = reply.headers["etag"]
                for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
                    again = await ask(proxy, path, Accept_Encoding=coding, If_None_Match=given)
                    assert (again.status, again.body) == (304, b""), given
                    assert again.headers["etag"] == tag
                    assert again.headers["vary"] == "Accept-Encoding"
                    assert again.headers["cache-control"] == reply.headers["cache-control"]
                other = await ask(proxy, path, Accept_Encoding=coding, If_None_Match='"other"')
                assert other.status == 200


async def test_the_style_sheets_travel_as_one_in_their_order() -> None:
    async with served() as proxy:
        page, build = await page_of(proxy)
        assert re.findall(r'rel="stylesheet" href="([^"]+)"', page) == [f"{build}css/all.css"]
        sheets = [(await ask(proxy, f"/ui/css/{name}.css")).body for name in ("tokens", "base", "layout", "chat")]
        joined = (await ask(proxy, f"{build}css/all.css")).body
        places = [joined.index(sheet) for sheet in sheets]
        assert places == sorted(places)
        assert joined.lstrip().startswith(b"/*")


# -- compression --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ({}, False),
        ({"Accept_Encoding": ""}, False),
        ({"Accept_Encoding": "identity"}, False),
        ({"Accept_Encoding": "br"}, False),
        ({"Accept_Encoding": "gzip;q=0"}, False),
        ({"Accept_Encoding": "gzip; q=0.000, *"}, False),
        ({"Accept_Encoding": "*;q=0"}, False),
        ({"Accept_Encoding": "gzip"}, True),
        ({"Accept_Encoding": "br, GZIP;q=0.5"}, True),
        ({"Accept_Encoding": "gzip, deflate, br, zstd"}, True),
        ({"Accept_Encoding": "*"}, True),
    ],
)
async def test_text_is_compressed_for_those_who_take_it(accepted: Mapping[str, str], packed: bool) -> None:
    async with served() as proxy:
        for path in ("/", "/ui/vendor/marked.mjs", "/ui/icons.svg"):
            plain = await ask(proxy, path)
            reply = await ask(proxy, path, **accepted)
            assert reply.headers.get("content-encoding") == ("gzip" if packed else None)
            assert reply.headers["vary"] == "Accept-Encoding"
            assert (gzip.decompress(reply.body) if packed else reply.body) == plain.body
            assert (reply.headers["etag"] == plain.headers["etag"]) != packed
            assert not packed or len(reply.body) < len(plain.body) / 2


async def test_what_is_small_stays_as_it_is() -> None:
    assert UiFile("a.css", b"a{}").packed == b""
    assert UiFile("a.png", bytes(4096)).packed == b""
    assert gzip.decompress(UiFile("a.css", b"a{} " * 1000).packed) == b"a{} " * 1000


async def test_head_is_as_get_without_the_body() -> None:
    async with served() as proxy:
        for path in ("/", "/ui/vendor/marked.mjs"):
            for coding in ("identity", "gzip"):
                full = await ask(proxy, path, Accept_Encoding=coding)
                head = await head_of(proxy, path, coding)
                assert head.status == 200
                for name in ("content-length", "etag", "vary", "cache-control", "content-type"):
                    assert head.headers[name] == full.headers[name]


async def head_of(proxy: Proxy, path: str, coding: str) -> Reply:
    """Send HEAD and check that nothing follows the head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(get(path.encode(), b"Accept-Encoding: " + coding.encode(), method=b"HEAD"))
    async with asyncio.timeout(5):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert body == b""
    first, *lines = head.decode().split("\r\n")
    return Reply(
        int(first.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}, b"", True
    )


async def test_both_reasons_to_vary_are_named() -> None:
    async with served(CORS) as proxy:
        reply = await ask(proxy, "/ui/app.mjs", Origin="https://app.example")
        assert reply.headers["vary"] == "Origin, Accept-Encoding"


# -- the set of files and its modules -----------------------------------------------------------------------


def folder(tmp_path: Path, files: Mapping[str, str]) -> dict[str, UiFile]:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return read(tmp_path)


def test_the_build_is_named_for_paths_and_contents(tmp_path: Path) -> None:
    files = folder(tmp_path, {"a.mjs": "1", "b/c.css": "2", ".hidden": "3", "_private/x": "4"})
    assert list(files) == ["a.mjs", "b/c.css"]
    name = fingerprint(files)
    assert name == fingerprint(dict(reversed(files.items())))
    assert name != fingerprint(folder(tmp_path, {"a.mjs": "one"}))
    (tmp_path / "a.mjs").write_text("1")
    (tmp_path / "b/c.css").rename(tmp_path / "b/d.css")
    assert name != fingerprint(read(tmp_path))


PAGE = """<html><head>
    <script type="importmap">{"imports": {"lib": "/ui/vendor/lib.mjs", "lazy": "/ui/vendor/lazy.mjs"},
      "integrity": {"/ui/vendor/lib.mjs": "sha384-x"}}</script>
    <script type="module" src="/ui/app.mjs"></script>
  </head></html>"""


def test_boot_modules_are_those_that_statements_name(tmp_path: Path) -> None:
    files = folder(
        tmp_path,
        {
            "index.html": PAGE,
            "app.mjs": 'import { a } from "./deep/a.mjs";\nimport "./side.mjs";\nexport * from "lib";\n'
            'const late = () => import("./late.mjs");\n/* import "./commented.mjs"; */\n'
            "export const from = 'nothing';\n",
            "deep/a.mjs": 'import {\n  b,\n  c as d,\n} from "../b.mjs";\nimport missing from "./missing.mjs";\n',
            "b.mjs": "import '../app.mjs';\nimport './deep/a.mjs'\n",
            **dict.fromkeys(["side.mjs", "late.mjs", "commented.mjs", "vendor/lib.mjs", "vendor/lazy.mjs"], ""),
        },
    )
    assert boot_modules(files) == ["app.mjs", "deep/a.mjs", "side.mjs", "vendor/lib.mjs", "b.mjs"]
    page = render(files, "b" * 16).file.body.decode()
    assert page.count("modulepreload") == 5
    assert f'<link rel="modulepreload" href="/ui/{"b" * 16}/deep/a.mjs" />' in page
    assert f'<link rel="modulepreload" href="/ui/{"b" * 16}/vendor/lib.mjs" integrity="sha384-x" />' in page
    assert page.index("importmap") < page.index("modulepreload")
    assert '"/ui/vendor' not in page


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('import x from "./x.mjs";', ["./x.mjs"]),
        ("import * as x from './x.mjs'", ["./x.mjs"]),
        ('import x, { y } from "x";\nexport { z } from "z";', ["x", "z"]),
        ('export { a };\nimport "b";', ["b"]),
        ('const x = import("./x.mjs");', []),
        ("  text(\"import x from './x.mjs'\");", []),
        ('export function f() { return "x"; }', []),
        ('// import x from "./x.mjs"', []),
        ('export default {\n  "a.b": "c",\n};', []),
    ],
)
def test_imports_are_found(source: str, found: list[str]) -> None:
    assert list(static_imports(source)) == found


def test_the_packaged_page_announces_what_it_needs_to_begin() -> None:
    files = read(Path(__file__).parents[2] / "llms" / "ui")
    modules = boot_modules(files)
    assert modules[0] == "app.mjs"
    assert "vendor/preact.mjs" in modules
    assert not {"vendor/temml.mjs", "vendor/uplot.mjs", "vendor/minisearch.mjs"} & set(modules)


# -- nothing else -------------------------------------------------------------------------------------------


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
    async with served() as proxy:
        for reply in await answers(proxy, get((prefix + climb).encode())):
            for line in (b"root:", b"import annotations", b"yaml-language-server", b"[core]", b"[fonts]"):
                assert line not in reply.body
            if reply.status == 200:
                assert b"<!doctype html>" in reply.body.lower() or b'"object"' in reply.body
            else:
                assert_refused(reply, 400, 404)
