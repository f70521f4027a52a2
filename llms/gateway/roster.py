"""Which providers there are and where each comes from: rows of the file, what discovery found, what was entered here.

The owner's changes lie over the file and the environment, which win where both hold a key. They survive a new
configuration; a provider that was switched off is on again after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, final

from llms.config.entered import EnteredKeys
from llms.config.model import Config, ProviderRow
from llms.gateway.key_places import has_key, key_state, lacks_one_key, with_key
from llms.providers import discover, registry
from llms.providers.discover import Found
from llms.providers.known import KNOWN

if TYPE_CHECKING:
    from llms.stores.crew import Crew

Source = Literal["row", "environment", "local_server", "embedded", "entered"]
KeyState = Literal["none", "environment", "file", "entered"]
FILE: Final = "providers.yaml"
DISABLED: Final = "disabled"
SWITCHED_OFF: Final = "switched off while the server ran"
_ENTERED: Final = "key entered while the server ran"
_MISSES: Final = 3
"""Probes in a row that a local server may miss before it counts as gone."""


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One provider, in service or left out."""

    name: str
    type: str
    """Empty where its row could not be read that far."""
    source: Source
    why: str
    """How it was found, in words: `providers.yaml`, `OPENAI_API_KEY`, `answers on port 11434`."""
    row: ProviderRow | None
    """What it runs with; None where that cannot be said."""
    lacks: str = ""
    """Why it is left out: `needs GROQ_API_KEY`, `disabled`; empty for one in service."""
    key: KeyState = "none"
    ending: str = ""
    """The last characters of its entered key."""
    is_kept: bool = False
    """Its entered key is in the file of keys."""
    outranked: str = ""
    """Why its entered key does not count."""


@final
class Roster:
    """Put the sources together. What is asked of it is worked out anew each time."""

    def __init__(
        self,
        config: Config,
        *,
        environ: Mapping[str, str],
        data_dir: Path,
        keys: EnteredKeys,
        crew: Crew | None = None,
    ) -> None:
        """Take the configuration as it was read, where downloaded models are, and the keys, loaded already.

        What one worker of a `crew` switches off is known to those of it that begin later.
        """
        self.config = config
        self.keys = keys
        self._environ = environ
        self._data_dir = data_dir
        self._crew = crew
        self._off = crew.switched_off if crew is not None else frozenset()
        self._servers: dict[str, Found] = {}
        self._missed: dict[str, int] = {}

    @property
    def found(self) -> Mapping[str, Found]:
        """Return the providers that have no row in the file, by name."""
        found = {each.name: each for each in self._discovered()}
        return found | {each.name: each for each in self._made_by_keys() if each.name not in found}

    def saw(self, servers: Iterable[Found]) -> bool:
        """Take the local servers that answer now; tell whether any came or is gone for good."""
        here = {server.name: server for server in servers}
        before = self._servers
        self._missed = {name: self._missed.get(name, 0) + 1 for name in before.keys() - here.keys()}
        stay = {name: server for name, server in before.items() if self._missed.get(name, 0) < _MISSES}
        self._servers = stay | here
        return self._servers.keys() != before.keys()

    def switch(self, name: str, *, enabled: bool) -> None:
        """Take a provider out of service, or put it back."""
        self._off = self._off - {name} if enabled else self._off | {name}
        if self._crew is not None:
            self._crew.keep_switched_off(self._off)

    def entries(self) -> dict[str, Entry]:
        """Return every provider by name, those of the file first."""
        entries = [self._of_row(row) for row in self.config.providers.values()]
        found = {each.name: each for each in self._discovered()}
        entries += [self._left_out(name) for name in self.config.skipped if name not in found]
        entries += [self._of_found(each, _source(each)) for each in found.values()]
        listed = {entry.name: self._switched(entry) for entry in entries}
        made = [self._of_found(each, "entered") for each in self._made_by_keys() if each.name not in listed]
        return listed | {entry.name: self._switched(entry) for entry in made}

    def configuration(self) -> Config:
        """Return what is in force: the file's configuration with the providers of all sources."""
        entries = self.entries()
        rows = {name: entry.row for name, entry in entries.items() if entry.row is not None and not entry.lacks}
        skipped = {name: entry.lacks for name, entry in entries.items() if name not in rows}
        return self.config.changed(providers=rows, skipped=skipped)

    def _discovered(self) -> Iterator[Found]:
        """Yield what was found, but for names that the file has a row for or switches off."""
        if not self.config.discover:
            return
        embedded = discover.embedded(self._data_dir)
        here = [*([embedded] if embedded else ()), *self._servers.values()]
        for each in (*discover.from_environment(self._environ), *here):
            if each.name not in self.config.providers and self.config.skipped.get(each.name) != DISABLED:
                yield each

    def _made_by_keys(self) -> Iterator[Found]:
        """Yield the well-known providers that are there because their key was entered."""
        for name in self.keys.providers:
            known = KNOWN.get(name)
            is_new = name not in self.config.providers and name not in self.config.skipped
            if known is not None and known.key_variables and is_new:
                yield Found(name, name, known.options(self._environ), _ENTERED)

    def _of_row(self, row: ProviderRow) -> Entry:
        state = key_state(row, self.config.secret_paths)
        return self._with_key(Entry(row.name, row.type, "row", FILE, row, key=state))

    def _of_found(self, found: Found, source: Source) -> Entry:
        state: KeyState = "environment" if source == "environment" else "none"
        return self._with_key(Entry(found.name, found.type, source, found.why, self._row(found), key=state))

    def _left_out(self, name: str) -> Entry:
        """Return a row of the file that is not used; an entered key may be all that it lacks."""
        row, reason = self.config.left_out.get(name), self.config.skipped[name]
        kind = row.type if row is not None else ""
        usable = row if row is not None and lacks_one_key(row, reason) else None
        return self._with_key(Entry(name, kind, "row", FILE, usable, lacks=reason))

    def _with_key(self, entry: Entry) -> Entry:
        """Return an entry with its entered key in the row, unless it has another key or cannot take one."""
        key = self.keys.get(entry.name)
        if key is None:
            return entry
        entry = replace(entry, ending=key.ending, is_kept=key.is_kept)
        if entry.key != "none":
            whose = "the environment" if entry.key == "environment" else FILE
            return replace(entry, outranked=f"the key of {whose} counts")
        if entry.row is None:
            return replace(entry, outranked=f"{FILE}: {entry.lacks}")
        options = with_key(entry.row.options, key.value.get_secret_value())
        if registry.validate(entry.type, options):
            return replace(entry, outranked=f"providers of type {entry.type} take no key")
        return replace(entry, row=entry.row.changed(options=options), lacks="", key="entered")

    def _switched(self, entry: Entry) -> Entry:
        is_off = entry.name in self._off and entry.lacks != DISABLED
        return replace(entry, lacks=SWITCHED_OFF) if is_off else entry

    def _row(self, found: Found) -> ProviderRow:
        conduct: dict[str, Any] = self.config.defaults.as_dict(without=("model",))
        return ProviderRow.read({**conduct, "name": found.name, "type": found.type, "options": dict(found.options)})


def _source(found: Found) -> Source:
    if found.local:
        return "local_server"
    return "environment" if has_key(found.options) else "embedded"
