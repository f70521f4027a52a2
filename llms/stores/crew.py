"""The workers of one server: processes that answer on one port, and the folder that all of them share."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from llms.protocol import json

if TYPE_CHECKING:
    from llms.stores.tally import Tally

_OFF: Final = "switched_off"


@final
@dataclass(frozen=True, slots=True)
class Crew:
    """Where one worker stands among its siblings.

    The folder is the parent's, for its user alone, and gone when the server ends. A worker that replaces another one
    takes its place.
    """

    folder: Path
    place: int
    count: int

    @property
    def siblings(self) -> list[int]:
        """Return the places of the others."""
        return [place for place in range(self.count) if place != self.place]

    def socket(self, place: int) -> Path:
        """Return the Unix socket on which a worker answers its siblings."""
        return self.folder / f"{place}.sock"

    def page(self, place: int) -> Path:
        """Return where a worker keeps the last page of metrics that it told."""
        return self.folder / f"{place}.metrics"

    def tokens(self, kind: str) -> Path:
        """Return the folder of tokens that every worker takes."""
        return self.folder / kind

    @property
    def switched_off(self) -> frozenset[str]:
        """Return the providers that are switched off in all workers, for one that begins later."""
        try:
            return frozenset(json.loads((self.folder / _OFF).read_bytes()))
        except FileNotFoundError:
            return frozenset()

    def keep_switched_off(self, names: Collection[str]) -> None:
        """Note all of them; without room on the disk, the one that begins later does not know."""
        fresh = self.folder / f"{_OFF}.{self.place}"
        with contextlib.suppress(OSError):
            fresh.write_bytes(json.dumps(sorted(names)))
            fresh.replace(self.folder / _OFF)

    def tally(self, name: str) -> Tally:
        """Return what counts together the requests that run at a provider."""
        from llms.stores.tally import Tally

        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return Tally(self.folder / f"{digest}.tally", place=self.place, count=self.count)

    def leave(self) -> None:
        """Let go of what a worker of this place held when it died."""
        from llms.stores.tally import clear

        for path in self.folder.glob("*.tally"):
            clear(path, place=self.place)
