"""The page as it is served: addresses that name the build, modules announced ahead, a policy that fits it exactly.

Its style sheets travel as one file; modules stay as they were written.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from llms.server.ui_files import UiFile

PAGE: Final = "index.html"
BASE: Final = "/ui/"
STYLES: Final = "css/all.css"
_MAP: Final = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_ENTRY: Final = re.compile(r'<script type="module" src="/ui/([^"]+)"')
_SHEET: Final = re.compile(r'<link rel="stylesheet" href="/ui/([^"]+)" />\s*')
_STREAMING: Final = b'<meta name="streaming" content="%b" />'
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_STATIC_IMPORT: Final = re.compile(
    r"""^\s*(?:import\s*|(?:import|export)\b[^'"`;()=]*?\bfrom\s*)(['"])([^'"\n]+)\1""", re.MULTILINE
)


class Page(NamedTuple):
    """What `GET /` answers."""

    file: UiFile
    policy: str
    """Its Content-Security-Policy."""


def join_styles(files: Mapping[str, UiFile]) -> UiFile:
    """Return the style sheets of the page as one file, in their order."""
    return UiFile(STYLES, b"\n".join(files[path].body for path in _SHEET.findall(files[PAGE].body.decode())))


def render(files: Mapping[str, UiFile], build: str) -> Page:
    """Return the page with every address under /ui/ moved into the build, and its boot modules preloaded."""
    source = files[PAGE].body.decode()
    checks = import_map(source).get("integrity", {})
    lines = [f'<link rel="stylesheet" href="{BASE}{STYLES}" />']
    lines += [_preload(BASE + path, checks) for path in boot_modules(files)]
    page = _SHEET.sub("", source).replace("  </head>", "".join(f"    {line}\n" for line in lines) + "  </head>", 1)
    page = page.replace(f'"{BASE}', f'"{BASE}{build}/')
    found = _MAP.search(page)
    return Page(UiFile(PAGE, page.encode()), content_policy("" if found is None else found[1]))


def saying(page: Page, streaming: str) -> Page:
    """Return the page for another value of `ui.streaming`, which is the default of whoever opens it."""
    body = page.file.body.replace(_STREAMING % b"resumable", _STREAMING % streaming.encode())
    return Page(UiFile(PAGE, body), page.policy)


def _preload(url: str, checks: Mapping[str, str]) -> str:
    # The import map does not speak for preloads: without its own attribute, a module would be loaded twice.
    check = f' integrity="{checks[url]}"' if url in checks else ""
    return f'<link rel="modulepreload" href="{url}"{check} />'


def content_policy(import_map: str) -> str:
    """Return the policy of a page with this import map: nothing foreign, nothing else inline, no HTML from strings."""
    digest = base64.b64encode(hashlib.sha256(import_map.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; media-src 'self' blob:; worker-src 'none'; manifest-src 'self'; "
        "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def boot_modules(files: Mapping[str, UiFile]) -> list[str]:
    """Return the modules that the page needs before it can begin, in the order in which they are found."""
    page = files[PAGE].body.decode()
    names = import_map(page).get("imports", {})
    waiting = _ENTRY.findall(page)
    seen: list[str] = []
    while waiting:
        path = waiting.pop(0)
        if path in files and path not in seen:
            seen.append(path)
            waiting += [_resolved(name, path, names) for name in static_imports(files[path].body.decode())]
    return seen


def import_map(page: str) -> dict[str, dict[str, str]]:
    """Return the import map of a page, empty without one."""
    found = _MAP.search(page)
    table: dict[str, dict[str, str]] = json.loads(found[1]) if found and found[1] else {}
    return table


def static_imports(source: str) -> Iterator[str]:
    """Yield the specifiers of the import and export statements that stand at the start of a line."""
    for found in _STATIC_IMPORT.finditer(_COMMENT.sub("", source)):
        yield found[2]


def _resolved(name: str, importer: str, names: Mapping[str, str]) -> str:
    if name.startswith("."):
        return posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))
    return names.get(name, "").removeprefix(BASE)
