"""`llms plugins`: entry points of other packages, loaded to see whether they can be."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Home, Run

MODULE = """
from llms.providers.echo import Echo as Provider, Options
NOT_CALLABLE = 5
"""
WITHOUT_OPTIONS = "def Provider(settings, resources): ...\n"
BROKEN = "raise RuntimeError('not today')\n"


def install(folder: Path, points: dict[str, str]) -> None:
    """Lay out what pip would have installed: modules and one distribution."""
    (folder / "plug.py").write_text(MODULE)
    (folder / "plug_bare.py").write_text(WITHOUT_OPTIONS)
    (folder / "plug_broken.py").write_text(BROKEN)
    info = folder / "llms_plug-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: llms-plug\nVersion: 1.2.3\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[llms.providers]", *lines, ""]))


def path_of(home: Home) -> dict[str, str]:
    return {"PYTHONPATH": f"{home.environ()['PYTHONPATH']}:{home.path}"}


async def test_a_plugin_that_loads_and_serves(home: Home, llms_apart: Run) -> None:
    install(home.path, {"plugged": "plug:Provider"})
    home.write("providers:\n  p: {type: plugged, models: [x]}\n")
    ran = await llms_apart("plugins", "--json", **path_of(home))
    table = await llms_apart("plugins", **path_of(home))
    used = await llms_apart("chat", "--config", "providers.yaml", "hello", **path_of(home))

    assert ran.code == 0
    assert json.loads(ran.out) == [
        {
            "type": "plugged",
            "location": "plug:Provider",
            "distribution": "llms-plug",
            "version": "1.2.3",
            "problem": None,
        }
    ]
    assert table.out.splitlines()[1].split() == ["plugged", "plug:Provider", "llms-plug", "1.2.3", "ok"]
    assert used.out == "hello\n"


async def test_each_problem_is_told(home: Home, llms_apart: Run) -> None:
    points = {
        "broken": "plug_broken:Provider",
        "gone": "no_such_module:Provider",
        "nameless": "plug:Nothing",
        "number": "plug:NOT_CALLABLE",
        "bare": "plug_bare:Provider",
        "openai": "plug:Provider",
    }
    install(home.path, points)
    ran = await llms_apart("plugins", "--json", **path_of(home))

    problems = {each["type"]: each["problem"] for each in json.loads(ran.out)}
    assert ran.code == 1
    assert problems["broken"] == "it does not load: RuntimeError: not today"
    assert "no_such_module" in problems["gone"]
    assert "Nothing" in problems["nameless"]
    assert problems["number"] == "plug:NOT_CALLABLE is not callable"
    assert problems["bare"] == "plug_bare has no pydantic model Options"
    assert "built in" in problems["openai"]


async def test_two_packages_of_one_type(home: Home, llms_apart: Run) -> None:
    install(home.path, {"plugged": "plug:Provider"})
    other = home.path / "other-2.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 2.0\n")
    (other / "entry_points.txt").write_text("[llms.providers]\nplugged = plug:Provider\n")
    ran = await llms_apart("plugins", "--json", **path_of(home))

    one, two = json.loads(ran.out)
    assert (ran.code, one["problem"]) == (1, None)
    assert two["problem"] == f"the package {one['distribution']} has this type too; uninstall one of the two"


async def test_a_plugin_that_does_not_load_stops_nothing(home: Home, llms_apart: Run) -> None:
    install(home.path, {"broken": "plug_broken:Provider", "bare": "plug_bare:Provider", "nameless": "plug:Nothing"})
    home.write("providers:\n  p: {type: broken, key: x}\n  q: {type: bare}\n  r: {type: nameless}\n  s: {type: echo}\n")
    checked = await llms_apart("config", "check", **path_of(home))
    answered = await llms_apart("chat", "--config", "providers.yaml", "-m", "s/echo", "hello", **path_of(home))
    listed = await llms_apart("providers", "--json", **path_of(home))

    states = {each["name"]: each["state"] for each in json.loads(listed.out)}
    assert (checked.code, answered.out) == (0, "hello\n")
    assert states["p"] == "provider type 'broken' cannot be used: plug_broken does not load: RuntimeError: not today"
    assert states["q"] == "provider type 'bare' cannot be used: plug_bare has no pydantic model Options"
    assert states["r"] == "provider type 'nameless' cannot be used: plug has no class Nothing"
    assert states["s"] == "ready"


async def test_none(llms_apart: Run) -> None:
    empty = await llms_apart("plugins", "--json")
    said = await llms_apart("plugins")

    assert (empty.code, json.loads(empty.out)) == (0, [])
    assert (said.code, said.out) == (0, "")
    assert "llms.providers" in said.err
