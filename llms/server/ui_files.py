"""The packaged files of the web chat, as they go over the wire: type, entity tag, plain or compressed."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Final, final

_TYPES: Final = {".mjs": "text/javascript", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
_AS_TEXT: Final = ("text/", "application/json", "image/svg+xml")
_SMALLEST: Final = 512
"""Bytes; below it the headers of a compressed answer cost what it saves."""


@final
class UiFile:
    """One file of the page."""

    __slots__ = ("_packed", "body", "digest", "kind")

    def __init__(self, path: str, body: bytes) -> None:
        """Keep the content; it is compressed when first asked for that way."""
        kind = _kind(path)
        self.body = body
        self.kind = f"{kind}; charset=utf-8" if kind.startswith(_AS_TEXT) else kind
        self.digest = hashlib.sha256(body).hexdigest()[:20]
        self._packed: bytes | None = None if kind.startswith(_AS_TEXT) and len(body) >= _SMALLEST else b""

    @property
    def to_pack(self) -> bool:
        """Tell whether `packed` has work to do, some milliseconds for the largest files."""
        return self._packed is None

    @property
    def packed(self) -> bytes:
        """Return the content compressed with gzip, empty where that is not worth it."""
        if self._packed is None:
            self._packed = gzip.compress(self.body, compresslevel=9, mtime=0)
        return self._packed


def read(folder: Traversable) -> dict[str, UiFile]:
    """Read every file of a folder, by its path."""
    return {path: UiFile(path, body) for path, body in sorted(_walk(folder, ""))}


def fingerprint(files: Mapping[str, UiFile]) -> str:
    """Return a name for exactly this set of files."""
    lines = "\n".join(f"{path} {file.digest}" for path, file in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.name.startswith((".", "_")):
            continue
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        else:
            yield f"{prefix}{item.name}", item.read_bytes()


def _kind(path: str) -> str:
    suffix = path[path.rfind(".") :]
    return _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
