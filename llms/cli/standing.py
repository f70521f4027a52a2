"""How each provider stands: in service, out of order, or left out, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from llms.app import Engine
from llms.config.model import Config

READY = "ready"
HEADER = ("provider", "type", "state", "from")


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """One provider, in words."""

    name: str
    type: str
    """Empty where the row was left out before its type counted."""
    state: str
    """`ready`, `needs SOME_API_KEY`, `disabled`, or what is wrong."""
    source: str
    """`providers.yaml`, or how discovery found it."""

    def cells(self) -> tuple[str, str, str, str]:
        """Return the row of a table under `HEADER`."""
        return self.name, self.type, self.state, self.source


def standings(engine: Engine, config: Config) -> Iterator[Standing]:
    """Yield every provider of an engine and those that `config`, its configuration, leaves out."""
    for name, member in engine.gateway.fleet.members.items():
        found = None if name in config.providers else engine.found.get(name)
        source = found.why if found is not None else "providers.yaml"
        yield Standing(name, member.row.type, member.problem.removeprefix(f"{name}: ") or READY, source)
    for name, reason in config.skipped.items():
        if name not in engine.gateway.fleet.members:
            yield Standing(name, "", reason, "providers.yaml")


def colour(cells: Sequence[str]) -> str:
    """Return the rich style of a provider's row."""
    return "green" if cells[2] == READY else "yellow"
