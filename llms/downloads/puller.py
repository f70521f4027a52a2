"""Pull models: one claim, one delivery, and nothing to do for what is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from llms.downloads.delivery import Delivery
from llms.downloads.hub import hub_of
from llms.downloads.part_file import sha256_of
from llms.downloads.progress import Progress, Report
from llms.downloads.remote_file import RemoteFile
from llms.downloads.room import Free, free_bytes, unwritable
from llms.downloads.shelf import Shelf, Stored
from llms.downloads.source import parse_source
from llms.downloads.wanted import Wanted, find_out
from llms.downloads.web import web
from llms.protocol.errors import Conflict


@final
@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is there now."""

    model: Stored
    was_here: bool
    """Nothing had to be fetched."""


@final
class Puller:
    """Bring models into the folder of a data directory, one process at a time for each."""

    def __init__(self, data_dir: Path, environ: Mapping[str, str], *, free: Free = free_bytes) -> None:
        """Take HF_ENDPOINT, HF_TOKEN, proxies and what pip and uv need from `environ`."""
        self.shelf = Shelf(data_dir)
        self._environ = environ
        self._free = free

    async def pull(
        self,
        source: str,
        *,
        report: Report,
        name: str | None = None,
        sha256: str | None = None,
        is_guarded: bool = False,
    ) -> Pulled:
        """Return the model once all of it is there and right; raise an LlmsError.

        Guarded, only the hub and public addresses are asked. Who is cancelled leaves `.part` files behind, with which
        the next pull goes on; of what turns out wrong nothing is left.
        """
        given = parse_source(source)
        hub = hub_of(self._environ)
        report(Progress("listing"))
        wanted = await find_out(given, name=name, sha256=sha256, hub=hub)
        try:
            with self.shelf.claim(wanted.name) as claim:
                here = self.shelf.find(wanted.name)
                if here is not None:
                    await _require_same(here, wanted, report)
                    return Pulled(here, was_here=True)
                async with web(hub, is_guarded=is_guarded, environ=self._environ) as http:
                    delivery = Delivery(wanted, self.shelf, claim=claim, hub=hub, http=http, free=self._free)
                    await delivery.bring(self._environ, report)
                here = self.shelf.find(wanted.name)
                assert here is not None
                return Pulled(here, was_here=False)
        except OSError as failure:
            raise unwritable(failure, self.shelf.folder) from None


async def _require_same(here: Stored, wanted: Wanted, report: Report) -> None:
    """Raise Conflict when a model of that name is another one, as far as can be told."""
    is_same = len(here.files) == len(wanted.files)
    for path, file in zip(here.files, wanted.files, strict=False):
        is_same = is_same and await _is(path, file, report)
    if not is_same:
        raise Conflict(
            f"There is another model {here.name} already: remove it with llms rm {here.name}, or pull this one "
            "under a --name of its own."
        )


async def _is(path: Path, file: RemoteFile, report: Report) -> bool:
    size = _size(path)
    if file.size is not None and size != file.size:
        return False
    report(Progress("verifying", 0, size))
    return file.sha256 is None or await sha256_of(path, lambda count: None) == file.sha256


def _size(path: Path) -> int:
    return path.stat().st_size
