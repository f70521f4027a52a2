"""What a model id leads to: a target, a row of `models:`, a route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, final


@final
@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider; the same id always means the same target, whatever its weight."""

    provider: str
    model: str
    weight: int = field(default=1, compare=False)
    id: str = field(init=False, compare=False, repr=False)
    """`provider/model`, made once: it is looked up several times a request."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.provider}/{self.model}")

    @classmethod
    def of(cls, text: str, *, weight: int = 1) -> Target:
        """Read `provider/model`; the model may hold slashes of its own. Raise ValueError when there is no slash."""
        provider, slash, model = text.partition("/")
        if not (provider and slash and model):
            raise ValueError(f"{text!r} is not of the form provider/model")
        return cls(provider, model, weight)


@final
@dataclass(frozen=True, slots=True)
class Named:
    """One row of `models:`: the targets behind a name that clients use."""

    targets: tuple[Target, ...]
    strategy: str = "ordered"
    overflow: Target | None = None
    """Where a prompt goes that is too long for the others."""


class RowTarget(Protocol):
    """What is read of one target of a configured row."""

    @property
    def target(self) -> str: ...
    @property
    def weight(self) -> int: ...


class Row(Protocol):
    """What is read of a configured row; `ModelRow` of the configuration has this shape."""

    @property
    def targets(self) -> Sequence[RowTarget]: ...
    @property
    def strategy(self) -> str: ...
    @property
    def on_context_overflow(self) -> str | None: ...


def named(row: Row) -> Named:
    """Return a configured row as routing reads it."""
    overflow = row.on_context_overflow
    return Named(
        tuple(Target.of(item.target, weight=item.weight) for item in row.targets),
        row.strategy,
        Target.of(overflow) if overflow else None,
    )


@final
@dataclass(frozen=True, slots=True)
class Route:
    """Where requests for one model id may go."""

    name: str
    """The id that the client sent."""
    targets: tuple[Target, ...]
    """At least one, all at configured providers, none twice."""
    strategy: str
    overflow: Target | None
    why: str
    """Which rule answered: `name in models`, `provider/model`, `listed by openai`, `wildcard "gpt-4o*"`, ..."""
    left_out: tuple[tuple[Target, str], ...] = ()
    """Targets of the row that cannot be used at all, each with the reason."""
    row: str = ""
    """The name or the pattern in `models:`; empty where no row answered."""
