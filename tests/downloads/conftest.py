"""A fake hub, and a folder to pull into."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from llms.downloads.progress import Progress
from llms.downloads.puller import Pulled, Puller
from tests.downloads.fake_hub import FakeHub, fake_hub


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    async with fake_hub() as running:
        yield running


class Folder:
    """A data directory and what pulls into it said."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        self.path = path
        self.environ = environ
        self.free = 10**12
        self.said: list[Progress] = []

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def names(self) -> list[str]:
        """Return the names of all files that are there."""
        return sorted(path.name for path in self.models.iterdir()) if self.models.is_dir() else []

    @property
    def noted(self) -> list[str]:
        """Return what is left of claims."""
        pulls = self.path / "pulls"
        return sorted(path.name for path in pulls.iterdir()) if pulls.is_dir() else []

    def kept(self, name: str) -> Callable[[], int]:
        """Return what tells how much of an unfinished file is there."""
        path = self.models / f"{name}.gguf.part"
        return lambda: path.stat().st_size if path.is_file() else 0

    @property
    def puller(self) -> Puller:
        return Puller(self.path, self.environ, free=lambda folder: self.free)

    async def pull(
        self, source: str, *, name: str | None = None, sha256: str | None = None, is_guarded: bool = False
    ) -> Pulled:
        self.said.clear()
        return await self.puller.pull(source, name=name, sha256=sha256, is_guarded=is_guarded, report=self.said.append)


@pytest.fixture
def folder(tmp_path: Path, hub: FakeHub) -> Folder:
    return Folder(tmp_path / "data", hub.environ())
