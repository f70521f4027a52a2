"""The models of this machine as the API tells them: who holds them, what they do, which of them were downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, final

from llms.gateway import Member
from llms.protocol.errors import LlmsError, ModelNotFound, excerpt
from llms.protocol.local import ModelState
from llms.providers.base import SupportsLoading
from llms.server.services import Services

if TYPE_CHECKING:
    from llms.downloads.shelf import Stored

_PATIENCE: Final = 5.0
"""Seconds that a provider may take to list its models."""


@final
@dataclass(frozen=True, slots=True)
class Holder:
    """A provider in service that holds models in memory."""

    name: str
    member: Member
    provider: SupportsLoading

    async def states(self) -> list[ModelState]:
        """Return all of its models, the unloaded ones too; only the loaded ones where it cannot list."""
        known = {state.id: state for state in self.provider.loaded()}
        try:
            listed = [info.id for info in await self.member.list(patience=_PATIENCE)]
        except LlmsError:
            listed = []
        return [known.get(name, unloaded(name)) for name in dict.fromkeys([*listed, *known])]

    def state(self, model: str) -> ModelState:
        """Return what one model does now."""
        return next((state for state in self.provider.loaded() if state.id == model), unloaded(model))


def holders(services: Services) -> Iterator[Holder]:
    """Yield every provider in service that can load and unload."""
    for name, member in services.gateway.fleet.members.items():
        if isinstance(member.provider, SupportsLoading):
            yield Holder(name, member, member.provider)


def holder_of(services: Services, wanted: str) -> tuple[Holder, str]:
    """Return who holds `provider/model`, and the model's id there; raise ModelNotFound."""
    name, _, model = wanted.partition("/")
    found = list(holders(services))
    for holder in found:
        if holder.name == name and model:
            return holder, model
    names = " or ".join(f"{holder.name}/MODEL" for holder in found) or "none here"
    raise ModelNotFound(f"{excerpt(wanted)!r} is no model that is held in memory; those are {names}.", param="id")


def unloaded(model: str) -> ModelState:
    """Return the state of a model of which nothing is in memory."""
    return ModelState(model, "unloaded", None, None, slots=0, busy=0, loaded_for=None, idle_for=None)


def row(provider: str, state: ModelState, stored: Stored | None) -> dict[str, Any]:
    """Return a model as JSON; `stored` is its downloaded file. Without a provider it cannot be asked for."""
    return {
        **asdict(state),
        "id": f"{provider}/{state.id}" if provider else state.id,
        "object": "model",
        "provider": provider or None,
        "facts": dict(state.facts),
        "file": stored.name if stored is not None else None,
        "size": stored.size if stored is not None else None,
    }
