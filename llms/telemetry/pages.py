"""The page of metrics of a server with several workers: whoever is asked sums up what all of them tell."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import final

from llms.stores.crew import Crew
from llms.telemetry.summed import lasting, total


@final
class Pages:
    """What one worker tells of itself and of its siblings.

    A worker keeps in the crew's folder what it told last, and begins with what its predecessor kept: no counter that
    was ever told goes back when a worker dies. What it counted since is lost.
    """

    def __init__(self, crew: Crew) -> None:
        """Take up where the last worker of this place ended."""
        self._crew = crew
        self._before = _read(crew.page(crew.place))

    def own(self, page: bytes) -> bytes:
        """Return what this place has counted, this worker's page with its predecessors'; keep it."""
        page = total([page, self._before])
        path = self._crew.page(self._crew.place)
        fresh = path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.write_bytes(page)
            os.replace(fresh, path)
        return page

    def of_all(self, own: bytes, told: Mapping[int, bytes]) -> bytes:
        """Return the sum of our own page and those of the siblings; of one that did not answer, what it told last."""
        others = [told.get(place) or _read(self._crew.page(place)) for place in self._crew.siblings]
        return total([own, *others])


def _read(path: Path) -> bytes:
    """Return what stays true of a kept page; nothing where there is none."""
    try:
        return lasting(path.read_bytes())
    except OSError:
        return b""
