"""`llms plugins`: providers of installed packages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@final
@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point, and what is wrong with it."""

    type: str
    location: str
    distribution: str
    version: str
    problem: str | None


@click.command(cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plugins(as_json: bool) -> None:
    """List providers of installed packages: the types they add, and whether they load.

    Exits with 1 when one does not load.

    \b
    Examples:
      llms plugins
      pip install some-llms-provider && llms plugins
    """
    from importlib.metadata import entry_points

    from llms.cli.output import complain, show_json, show_table
    from llms.providers.registry import ENTRY_POINTS

    found = list(inspected(entry_points(group=ENTRY_POINTS)))
    if as_json:
        show_json([asdict(plugin) for plugin in found])
    elif found:
        rows = [(each.type, each.location, each.distribution, each.version, each.problem or "ok") for each in found]
        header = ("type", "provider", "package", "version", "state")
        show_table(header, rows, style=lambda row: "" if row[-1] == "ok" else "red")
    else:
        complain(f"No package adds a provider. One does so by an entry point of the group {ENTRY_POINTS}.")
    if any(plugin.problem for plugin in found):
        raise SystemExit(1)


def inspected(points: Iterable[EntryPoint]) -> list[Plugin]:
    """Return each entry point, loaded to see whether it can be."""
    found = []
    owners: dict[str, str] = {}
    for point in sorted(points, key=lambda point: point.name):
        name, version = (point.dist.name, point.dist.version) if point.dist is not None else ("", "")
        problem = _problem(point)
        if point.name in owners:
            problem = f"the package {owners[point.name]} has this type too; uninstall one of the two"
        owners.setdefault(point.name, name)
        found.append(Plugin(point.name, point.value, name, version, problem and " ".join(problem.split())))
    return found


def _problem(point: EntryPoint) -> str | None:
    """Load a plugin and return what is wrong with it; a third party's module may raise anything."""
    import sys

    from llms.providers.known import KNOWN
    from llms.providers.registry import BUILT_IN, is_options

    if point.name in BUILT_IN or point.name in KNOWN:
        return f"the type {point.name!r} is built in; the package must name it otherwise"
    try:
        factory = point.load()
    except Exception as failure:
        return f"it does not load: {type(failure).__name__}: {failure}"
    if not callable(factory):
        return f"{point.value} is not callable"
    if not is_options(getattr(sys.modules[point.module], "Options", None)):
        return f"{point.module} has no pydantic model Options"
    return None
