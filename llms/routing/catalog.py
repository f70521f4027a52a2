"""Which model ids lead where: the names of `models:`, the providers, and what each provider lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from llms.protocol.chat import ModelInfo
from llms.protocol.errors import ModelNotFound
from llms.routing.nearest import Nearest
from llms.routing.routes import Named, Route, Target, named
from llms.routing.unknown import MOST_NAMED, ambiguous, bad_default, unknown, unusable
from llms.routing.wildcard import STAR, wildcards

__all__ = ["Catalog", "Named", "Route", "Target", "named"]

_REMEMBERED: Final = 1024
"""Names that the memo may hold: clients choose them."""
_LONGEST: Final = 512
"""Characters of a name; a longer one is nobody's, and nothing of it shall be remembered."""
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Catalog:
    """All model ids of one configuration; a new configuration gets a new catalog."""

    def __init__(
        self,
        names: Mapping[str, Named],
        providers: Collection[str],
        *,
        default: str | None = None,
        skipped: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Know the rows of `models:`, the providers in use, and for each `skipped` one the reason (`needs VAR`)."""
        self._names = {name: row for name, row in names.items() if STAR not in name}
        self._wildcards = wildcards(names.items())
        self._providers = dict.fromkeys(providers)
        self._default = default
        self._skipped = skipped
        self._lists: dict[str, dict[str, ModelInfo]] = {}
        self._listing: dict[str, list[str]] = {}
        self._memo: dict[str, Route | str] = {}
        self._nearest: Nearest | None = None

    def set_list(self, provider: str, models: Sequence[ModelInfo]) -> None:
        """Take what a provider serves, in place of what it told before; a provider not in use is ignored."""
        if provider not in self._providers:
            return
        self._lists[provider] = {info.id: info for info in models}
        self._listing = {}
        for owner in self._providers:
            for model in self._lists.get(owner, ()):
                self._listing.setdefault(model, []).append(owner)
        self._memo.clear()
        self._nearest = None

    def unlisted(self) -> set[str]:
        """Return the providers that never told what they serve."""
        return set(self._providers) - set(self._lists)

    def resolve(self, name: str) -> Route:
        """Return where requests for `name` go; raise ModelNotFound saying what to ask for instead."""
        known = self._memo.get(name)
        if known is None:
            if len(name) > _LONGEST:
                raise self._unknown(name)
            if len(self._memo) >= _REMEMBERED:
                self._memo.clear()
            known = self._memo[name] = self._answer(name)
        if isinstance(known, str):
            raise ModelNotFound(known, param="model")
        return known

    def _answer(self, name: str) -> Route | str:
        try:
            return self._find(name) or self._fall_to_default(name)
        except ModelNotFound as error:
            return error.message

    def _find(self, name: str) -> Route | None:
        """Apply the rules in their order; None when nothing has this name."""
        if name in self._names:
            return self._row(name, self._names[name], "name in models", of=name)
        provider, _, model = name.partition("/")
        if model and provider in self._providers:
            return Route(name, (Target(provider, model),), "ordered", None, "provider/model")
        owners = self._listing.get(name, ())
        if len(owners) == 1:
            return Route(name, (Target(owners[0], name),), "ordered", None, f"listed by {owners[0]}")
        for card in self._wildcards:
            if card.matches(name):
                return self._row(name, card.filled(name), f'wildcard "{card.pattern}"', of=card.pattern)
        if owners:
            raise ambiguous(name, owners)
        return None

    def _row(self, name: str, row: Named, why: str, *, of: str) -> Route:
        """Return the route of a row of `models:`, without the targets whose provider is not in use."""
        lacks = {target: self._lack(target) for target in row.targets}
        targets = tuple(target for target, lack in lacks.items() if not lack)
        left_out = tuple((target, lack) for target, lack in lacks.items() if lack)
        if not targets:
            raise unusable(name, left_out)
        overflow = row.overflow
        if overflow is not None and (lack := self._lack(overflow)):
            left_out, overflow = (*left_out, (overflow, lack)), None
        return Route(name, targets, row.strategy, overflow, why, left_out, of)

    def _lack(self, target: Target) -> str:
        """Return why a target's provider cannot be used; empty when it can."""
        if target.provider in self._providers:
            return ""
        return self._skipped.get(target.provider, "no provider of this name is there")

    def _fall_to_default(self, name: str) -> Route:
        if self._default is None:
            raise self._unknown(name)
        try:
            route = self._find(self._default)
        except ModelNotFound as error:
            raise bad_default(error) from None
        if route is None:
            raise bad_default(self._unknown(self._default))
        return replace(route, name=name, why="defaults.model")

    def _unknown(self, name: str) -> ModelNotFound:
        ids = [one for one, _, _ in self.entries()]
        if self._nearest is None:
            bare = {model: f"{owners[0]}/{model}" for model, owners in self._listing.items()}
            self._nearest = Nearest({**bare, **{one: one for one in ids}})
        near = self._nearest.find(name, most=MOST_NAMED)
        return unknown(name, near=near, served=ids, skipped=self._skipped)

    def knows(self, name: str) -> bool:
        """Tell whether a name is configured or listed: the only ones that may become metric labels."""
        if name in self._names or name in self._listing:
            return True
        provider, _, model = name.partition("/")
        return model in self._lists.get(provider, ())

    def entries(self) -> list[tuple[str, ModelInfo, str]]:
        """Return every id for `/v1/models`, what is known of it, and its provider (empty for a name of `models:`)."""
        found: dict[str, tuple[str, ModelInfo, str]] = {}
        for name, row in self._names.items():
            usable = [target for target in row.targets if not self._lack(target)]
            if usable:
                found[name] = (name, self._about(name, usable[0]), "")
        for provider in self._providers:
            for model, info in self._lists.get(provider, {}).items():
                full = f"{provider}/{model}"
                found.setdefault(full, (full, info, provider))
        return list(found.values())

    def _about(self, name: str, target: Target) -> ModelInfo:
        """Describe a name by its first target, as far as that one's provider told."""
        info = self._lists.get(target.provider, {}).get(target.model)
        return replace(info, id=name) if info else ModelInfo(name, owned_by=target.provider)
