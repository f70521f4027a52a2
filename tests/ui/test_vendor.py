"""Third-party files are those of the lock, and the check of it notices every kind of difference."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.vendor_ui import UI, imports, main, problems

ICON = re.compile(r"<\$\{Icon\}[^>]*?\bname=\"([\w-]+)\"|\bicon: \"([\w-]+)\"")


def test_every_vendored_file_is_as_locked() -> None:
    assert problems(UI) == []


def test_the_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "vendored files: as locked\n"
    assert main(["else"]) == 2


def test_every_icon_that_a_module_names_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (UI / "icons.svg").read_text()))
    assert len(drawn) > 60
    for path in UI.rglob("*.mjs"):
        named = {first or second for first, second in ICON.findall(path.read_text())}
        assert named <= drawn, f"{path.relative_to(UI)}: {sorted(named - drawn)}; add them to the lock and refresh"


def test_the_package_says_which_licences_it_carries() -> None:
    lock = json.loads((UI / "vendor.lock.json").read_text())
    project = tomllib.loads((UI.parents[1] / "pyproject.toml").read_text())["project"]
    carried = {row["license"] for row in lock["packages"].values()}
    assert set(project["license"].split(" AND ")) == {"MIT", *carried}


def test_nothing_of_it_names_a_place_to_fetch_from() -> None:
    text = (UI / "vendor.lock.json").read_text()
    assert "://" not in text
    assert {row["license"] for row in json.loads(text)["packages"].values()} <= {
        "MIT",
        "ISC",
        "Apache-2.0",
        "BSD-3-Clause",
    }


@pytest.fixture
def ui(tmp_path: Path) -> Path:
    return Path(shutil.copytree(UI, tmp_path / "ui"))


def _append(path: str, text: str) -> Callable[[Path], None]:
    def change(ui: Path) -> None:
        (ui / path).write_text((ui / path).read_text() + text)

    return change


def _create(path: str, text: str = "") -> Callable[[Path], None]:
    def change(ui: Path) -> None:
        (ui / path).write_text(text)

    return change


def _remove(path: str) -> Callable[[Path], None]:
    return lambda ui: (ui / path).unlink()


def _lock(old: str, new: str) -> Callable[[Path], None]:
    def change(ui: Path) -> None:
        text = (ui / "vendor.lock.json").read_text()
        assert old in text
        (ui / "vendor.lock.json").write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_append("vendor/idb.mjs", " "), "vendor/idb.mjs is not the file of the lock"),
        (_append("icons.svg", " "), "icons.svg is not the file of the lock"),
        (_remove("vendor/marked.mjs"), "vendor/marked.mjs is missing; `refresh` writes it"),
        (_create("vendor/more.mjs"), "vendor/more.mjs is not in the lock"),
        (_remove("LICENSES/preact.txt"), "LICENSES/preact.txt is missing"),
        (_create("LICENSES/else.txt"), "LICENSES/else.txt is the licence of no package"),
        (_append("index.html", "\n"), None),
        (_lock('"sha384": "sha384-', '"sha384": "sha384-x'), "index.html: the import map is not the one of the lock"),
        (_lock('"license": "ISC"', '"license": ""'), "idb: no licence id"),
        (_create("evil.mjs", 'import "https://x.example/y.mjs";'), "evil.mjs: nothing in the package answers to"),
        (_create("evil.mjs", "const x = import('//x.example/y')"), "evil.mjs: nothing in the package answers to"),
        (_create("lost.mjs", "export { a } from './gone.mjs';"), "lost.mjs: nothing in the package answers to"),
        (_create("bare.mjs", "import left from 'left-pad';"), "bare.mjs: nothing in the package answers to"),
    ],
)
def test_a_difference_is_named(ui: Path, change: Callable[[Path], None], said: str | None) -> None:
    change(ui)
    found = problems(ui)
    assert (not found) if said is None else any(line.startswith(said) for line in found), found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('import a from "a";', {"a"}),
        ("import{a as b}from'./a.mjs';export*from'./b.mjs';", {"./a.mjs", "./b.mjs"}),
        ('import "./side.mjs"', {"./side.mjs"}),
        ("const a = await import('./lazy.mjs');", {"./lazy.mjs"}),
        ("const a = import(`./${name}.mjs`);", set()),
        ('/* import "x" */ // import "y"\n', set()),
        ('export const a = { import: "x" };', set()),
        ('export default {\n  "a.b": "c",\n};', set()),
        ('export function f() { return "from"; }', set()),
    ],
)
def test_imports_of_a_module_are_found(source: str, found: set[str]) -> None:
    assert imports(source) == found
