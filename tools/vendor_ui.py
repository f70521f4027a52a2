"""Bring third-party files of the web chat into the package, and prove that they are those of the lock.

`refresh` packs each package of `llms/ui/vendor.lock.json` with npm, compares it with the lock, builds the modules with
the pinned esbuild and writes the files, their licences, the icon sprite, the hashes and the import map. A new version
is written into the lock by hand with an empty `integrity`. It runs on Linux x86-64 and needs npm.
`check` is offline: every file, licence and hash against the lock, and no import that leaves the server.
The only `TODO` in a vendored file is a word that highlight.js paints in comments.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

UI: Final = Path(__file__).resolve().parents[1] / "llms" / "ui"
LOCK: Final = "vendor.lock.json"
SPRITE: Final = "icons.svg"
_MAP: Final = re.compile(r'(<script type="importmap">)(.*?)(</script>)', re.DOTALL)
_IMPORT: Final = re.compile(
    r"""(?:^|[;}\s])(?:import\s*|(?:import|export)\b[^'"`;():=]*?\bfrom\s*)(['"])(?P<static>[^'"\n]+)\1"""
    r"""|\bimport\(\s*(['"])(?P<dynamic>[^'"\n]+)\3\s*[),]"""
)
_COMMENT: Final = re.compile(r"/\*.*?\*/|(?:^|\s)//.*?$", re.DOTALL | re.MULTILINE)
_SOURCE_MAP: Final = re.compile(rb"\s*(//# sourceMappingURL=.*|/\*# sourceMappingURL=.*?\*/)\s*$")
_KEPT: Final = ("license", "licence", "copying")

Lock = dict[str, Any]


def main(arguments: list[str]) -> int:
    """Run one of the two commands; return the exit code."""
    if arguments == ["refresh"]:
        refresh(UI)
    elif arguments != ["check"]:
        print("usage: python tools/vendor_ui.py refresh|check", file=sys.stderr)
        return 2
    found = problems(UI)
    print("\n".join(found) or "vendored files: as locked")
    return 1 if found else 0


# -- refresh ------------------------------------------------------------------------------------------------


def refresh(ui: Path) -> None:
    """Write every vendored file anew from the packages of the lock."""
    lock = _lock(ui)
    with tempfile.TemporaryDirectory() as name:
        modules = Path(name) / "node_modules"
        for package, row in {**lock["packages"], **lock["tools"]}.items():
            _unpack(package, row, Path(name), modules / package)
        _write_licences(ui, lock, modules)
        for path, row in lock["files"].items():
            content = _SOURCE_MAP.sub(b"", _made(row, Path(name), modules)).rstrip() + b"\n"
            (ui / path).parent.mkdir(exist_ok=True)
            (ui / path).write_bytes(content)
            row["sha384"] = _sha(content, "sha384")
        for path in set(_vendored(ui)) - lock["files"].keys():
            (ui / path).unlink()
    (ui / LOCK).write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
    page = ui / "index.html"
    page.write_text(_MAP.sub(lambda found: f"{found[1]}{_map_text(lock)}{found[3]}", page.read_text()))


def _unpack(package: str, row: dict[str, str], scratch: Path, target: Path) -> None:
    """Fetch one package with npm, compare it with the lock and unpack it."""
    wanted = f"{package}@{row['version']}"
    packed = subprocess.run(
        ["npm", "pack", "--silent", "--ignore-scripts", wanted],
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    if packed.returncode:
        raise SystemExit(f"npm pack {wanted}: {packed.stderr.strip() or 'failed'}")
    archive = scratch / packed.stdout.split()[-1]
    integrity = _sha(archive.read_bytes(), "sha512")
    if row["integrity"] not in ("", integrity):
        raise SystemExit(f"{wanted} is not what the lock describes: {integrity}")
    row["integrity"] = integrity
    target.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            member.name = member.name.partition("/")[2]
        tar.extractall(target, filter="data")
    row["license"] = json.loads((target / "package.json").read_text())["license"]


def _write_licences(ui: Path, lock: Lock, modules: Path) -> None:
    folder = ui / "LICENSES"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for package in lock["packages"]:
        [source] = [p for p in (modules / package).iterdir() if p.stem.lower() in _KEPT and p.is_file()]
        (ui / _licence(package)).write_text(source.read_text().strip() + "\n")


def _made(row: Mapping[str, Any], scratch: Path, modules: Path) -> bytes:
    """Return the content of one file: copied, bundled by esbuild, or drawn from icons."""
    if "copy" in row:
        return (modules / str(row["copy"])).read_bytes()
    if "icons" in row:
        return _sprite(row["icons"], modules / "lucide-static" / "icons")
    entry = scratch / "entry.mjs"
    entry.write_text(row["bundle"])
    options = ("--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=inline")
    esbuild = modules / "@esbuild" / "linux-x64" / "bin" / "esbuild"
    return subprocess.run([esbuild, entry, *options], capture_output=True, check=True).stdout


def _sprite(names: list[str], folder: Path) -> bytes:
    """Return one SVG with a symbol for each icon; strokes are left to the style sheet."""
    lines = []
    for name in sorted(names):
        shapes = ElementTree.fromstring((folder / f"{name}.svg").read_text())
        drawn = "".join(_drawn(shape) for shape in shapes)
        lines.append(f'<symbol id="{name}" viewBox="0 0 24 24">{drawn}</symbol>')
    return "\n".join(['<svg xmlns="http://www.w3.org/2000/svg">', *lines, "</svg>"]).encode()


def _drawn(shape: ElementTree.Element) -> str:
    attributes = "".join(f' {name}="{value}"' for name, value in shape.attrib.items())
    return f"<{shape.tag.rpartition('}')[2]}{attributes}/>"


# -- check --------------------------------------------------------------------------------------------------


def problems(ui: Path) -> list[str]:
    """Return what differs from the lock, one line each."""
    lock = _lock(ui)
    return [*_wrong_files(ui, lock), *_wrong_licences(ui, lock), *_wrong_map(ui, lock), *_wrong_imports(ui, lock)]


def _wrong_files(ui: Path, lock: Lock) -> Iterator[str]:
    for path, row in lock["files"].items():
        if not (ui / path).is_file():
            yield f"{path} is missing; `refresh` writes it"
        elif _sha((ui / path).read_bytes(), "sha384") != row["sha384"]:
            yield f"{path} is not the file of the lock"
        elif b"sourceMappingURL=" in (ui / path).read_bytes():
            yield f"{path} points to a source map"
    for path in sorted(set(_vendored(ui)) - lock["files"].keys()):
        yield f"{path} is not in the lock"


def _wrong_licences(ui: Path, lock: Lock) -> Iterator[str]:
    wanted = {_licence(package) for package in lock["packages"]}
    found = {f"LICENSES/{path.name}" for path in (ui / "LICENSES").iterdir()}
    yield from (f"{path} is missing" for path in sorted(wanted - found))
    yield from (f"{path} is the licence of no package" for path in sorted(found - wanted))
    yield from (f"{package}: no licence id" for package, row in lock["packages"].items() if not row.get("license"))
    used = {package for row in lock["files"].values() for package in row["packages"]}
    yield from (f"{package}: in the lock, used by no file" for package in sorted(lock["packages"].keys() - used))
    yield from (f"{package}: used, not in the lock" for package in sorted(used - lock["packages"].keys()))


def _wrong_map(ui: Path, lock: Lock) -> Iterator[str]:
    found = _MAP.search((ui / "index.html").read_text())
    if found is None or found[2] != _map_text(lock):
        yield "index.html: the import map is not the one of the lock"


def _wrong_imports(ui: Path, lock: Lock) -> Iterator[str]:
    known = {row["import"] for row in lock["files"].values() if "import" in row}
    for path in sorted([*ui.rglob("*.mjs"), *ui.rglob("*.js")]):
        for name in imports(path.read_text()):
            if not (name in known or (name.startswith(".") and (path.parent / name).is_file())):
                yield f"{path.relative_to(ui)}: nothing in the package answers to import {name!r}"


def imports(source: str) -> set[str]:
    """Return the specifiers of a module's imports, static ones and literal dynamic ones."""
    return {found["static"] or found["dynamic"] for found in _IMPORT.finditer(_COMMENT.sub("", source))}


# -- both ---------------------------------------------------------------------------------------------------


def _lock(ui: Path) -> Lock:
    lock: Lock = json.loads((ui / LOCK).read_text())
    return lock


def _vendored(ui: Path) -> Iterator[str]:
    yield from (path.relative_to(ui).as_posix() for path in (ui / "vendor").rglob("*") if path.is_file())


def _licence(package: str) -> str:
    return f"LICENSES/{package.removeprefix('@').replace('/', '-')}.txt"


def _map_text(lock: Lock) -> str:
    rows = {row["import"]: (f"/ui/{path}", row["sha384"]) for path, row in lock["files"].items() if "import" in row}
    table = {"imports": {name: url for name, (url, _) in rows.items()}, "integrity": dict(rows.values())}
    return "\n" + json.dumps(table, indent=2) + "\n"


def _sha(content: bytes, name: str) -> str:
    return f"{name}-{base64.b64encode(hashlib.new(name, content).digest()).decode()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
