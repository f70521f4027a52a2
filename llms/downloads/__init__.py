"""Model files: found on the hub or under any address, fetched, checked, kept in one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llms.downloads.puller import Puller


def new_puller(data_dir: Path, environ: Mapping[str, str]) -> Puller:
    """Return who downloads models. Imported when needed, which most servers never do."""
    from llms.downloads.puller import Puller

    return Puller(data_dir, environ)
