"""What the owner may change while the server runs: providers on and off, their keys in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from llms.config.entered import KEYS_FILE, UnusableKeysFile
from llms.config.secret import SecretStr
from llms.gateway.key_places import with_key
from llms.gateway.roster import DISABLED, FILE, Entry, Roster
from llms.protocol.errors import Conflict, InvalidRequest, NotFound, excerpt
from llms.providers import registry
from llms.providers.known import KNOWN


@final
@dataclass(frozen=True, slots=True)
class Switch:
    """Take a provider out of service, or put it back."""

    provider: str
    enabled: bool

    @property
    def words(self) -> str:
        """Say what is changed, for the log."""
        return "switched on" if self.enabled else "switched off"


@final
@dataclass(frozen=True, slots=True)
class EnterKey:
    """Give a provider its key; a well-known one is made by it."""

    provider: str
    key: SecretStr
    keep: bool
    """In the file of keys, so that a restart knows it."""

    @property
    def words(self) -> str:
        """Say what is changed, for the log."""
        return "key entered, kept in the file" if self.keep else "key entered, kept in memory"


@final
@dataclass(frozen=True, slots=True)
class ForgetKey:
    """Drop an entered key."""

    provider: str

    @property
    def words(self) -> str:
        """Say what is changed, for the log."""
        return "key forgotten"


Change = Switch | EnterKey | ForgetKey


def apply(change: Change, roster: Roster) -> None:
    """Make one change, or raise an LlmsError and make none. May write files, so it blocks."""
    if isinstance(change, Switch):
        _switch(change, roster)
    elif isinstance(change, EnterKey):
        _enter(change, roster)
    else:
        _forget(change, roster)


def _switch(change: Switch, roster: Roster) -> None:
    entry = roster.entries().get(change.provider)
    if entry is None:
        raise unknown_provider(change.provider)
    if change.enabled and entry.lacks == DISABLED:
        raise Conflict(f"{FILE} says `enabled: false` for {entry.name}, and counts: change it there.", param="enabled")
    roster.switch(entry.name, enabled=change.enabled)


def _enter(change: EnterKey, roster: Roster) -> None:
    name, key = change.provider, change.key.get_secret_value()
    entry = roster.entries().get(name)
    if entry is None:
        _require_well_known(name)
    else:
        _require_room(entry)
    if change.keep and not roster.keys.has_file:
        raise Conflict("This server has no place to keep keys: enter it with `keep: memory`.", param="keep")
    try:
        roster.keys.put(name, key, keep=change.keep)
    except (OSError, UnusableKeysFile) as failure:
        raise _unwritten(failure, "enter the key with `keep: memory`") from None


def _forget(change: ForgetKey, roster: Roster) -> None:
    if change.provider not in roster.keys.providers:
        raise NotFound(f"No key of {excerpt(change.provider)!r} was entered here.", param="name")
    try:
        roster.keys.forget(change.provider)
    except (OSError, UnusableKeysFile) as failure:
        raise _unwritten(failure, "take its line out by hand") from None


def unknown_provider(name: str) -> NotFound:
    """Return the error for a name that no provider has."""
    return NotFound(f"There is no provider {excerpt(name)!r}; GET /api/providers lists what there is.", param="name")


def _require_well_known(name: str) -> None:
    known = KNOWN.get(name)
    if known is None:
        raise unknown_provider(name)
    if not known.key_variables:
        raise InvalidRequest(f"{name} needs no key: it is found by itself once it runs.", param="name")


def takes_key(entry: Entry) -> bool:
    """Tell whether an entered key would count."""
    if entry.key != "none" or entry.row is None:
        return entry.key == "entered"
    return not registry.validate(entry.type, with_key(entry.row.options, "any-key"))


def _require_room(entry: Entry) -> None:
    """Raise where an entered key could never count. One that is outranked for now is taken."""
    if entry.key != "none" or entry.lacks == DISABLED or takes_key(entry):
        return
    if entry.row is None:
        raise Conflict(f"{entry.name} {entry.lacks}: one key is not all that it lacks. See {FILE}.", param="name")
    raise InvalidRequest(f"Providers of type {entry.type} take no key here.", param="name")


def _unwritten(failure: OSError | UnusableKeysFile, way_out: str) -> Conflict:
    if isinstance(failure, UnusableKeysFile):
        return Conflict(f"{failure}. Mend it or remove it; nothing was changed.", param="keep")
    reason = failure.strerror or type(failure).__name__
    return Conflict(f"{KEYS_FILE} cannot be written ({reason}); {way_out}.", param="keep")
