"""A file that can be downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class RemoteFile:
    """Where a file is, and what is known of it beforehand."""

    url: str
    path: str
    """Its path in the repository, or the name it is to have."""
    identity: str
    """What stays the same as long as the content is meant to be the same; nothing secret."""
    size: int | None = None
    sha256: str | None = None
    """In lower-case hexadecimal digits."""
