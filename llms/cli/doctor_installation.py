"""What `llms doctor` looks at in the installation: Python, packages, and whose `llms` it is."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, final

import llms
from llms.providers import discover

Level = Literal["ok", "warn", "fail"]

_OLDEST: Final = (3, 11)
_OURS: Final = b"llms.__main__"
_SCRIPT_BYTES: Final = 4096


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `llms doctor` looked at: how it is, and what to do about it."""

    subject: str
    level: Level
    text: str
    fix: str = ""
    """Empty where all is well."""


def ok(subject: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(subject, "ok", text)


def warn(subject: str, text: str, fix: str) -> Finding:
    """Return a finding that something could be better."""
    return Finding(subject, "warn", text, fix)


def bad(subject: str, text: str, fix: str) -> Finding:
    """Return a finding that something does not work."""
    return Finding(subject, "fail", text, fix)


def installation(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what there is to say about the installation."""
    yield _python()
    yield _llms()
    yield _packages()
    yield _library("uvloop", "events are handled by asyncio, which is slower", "pip install uvloop")
    yield _local_models()
    yield from foreign_modules(Path(llms.__file__).parent, sys.path)
    yield foreign_command(environ.get("PATH", ""), Path(sysconfig.get_path("scripts")))


def _python() -> Finding:
    text = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < _OLDEST:
        return bad("python", text, "llms needs Python 3.11 or newer.")
    return ok("python", text)


def _llms() -> Finding:
    return ok("llms", f"{llms.__version__} at {Path(llms.__file__).parent}")


def _packages() -> Finding:
    versions = {name: _version(name) for name in _needed()}
    if not versions:
        return warn("packages", "which ones are needed is not known: llms was copied here", "Install it with pip.")
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return bad("packages", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return ok("packages", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _needed() -> list[str]:
    """Return the packages that are always needed; a requirement with a ";" counts only sometimes."""
    return [re.split(r"[^\w.-]", row, maxsplit=1)[0] for row in _requirements() if ";" not in row]


def _requirements() -> list[str]:
    """Return what the installed package requires, or the folder that it runs from; nothing where neither tells."""
    try:
        return metadata.requires("llms") or []
    except metadata.PackageNotFoundError:
        file = Path(llms.__file__).parents[1] / "pyproject.toml"
        return list(tomllib.loads(file.read_text("utf-8"))["project"]["dependencies"]) if file.is_file() else []


def _library(name: str, lack: str, fix: str) -> Finding:
    if importlib.util.find_spec(name) is None:
        return warn(name, f"not installed: {lack}", fix)
    return ok(name, _version(name) or "there, of unknown version")


def _local_models() -> Finding:
    found = discover.libraries()
    if not found:
        return warn("local models", "no library that runs them is installed", "pip install 'llms[local]'")
    return ok("local models", ", ".join(f"{name} {_version(name) or 'of unknown version'}" for name in found))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def foreign_modules(own: Path, paths: list[str]) -> Iterator[Finding]:
    """Yield who else provides a module `llms`: other distributions, and other folders that Python would import."""
    rivals = sorted({name for name in metadata.packages_distributions().get("llms", []) if name != "llms"})
    for name in rivals:
        yield bad("module llms", f"the package {name} provides a module of the same name", f"pip uninstall {name}")
    for path in dict.fromkeys(paths):
        folder = Path(path or ".") / "llms"
        if (folder / "__init__.py").is_file() and not folder.samefile(own):
            fix = "Remove one of the two, or work in another folder."
            yield warn("module llms", f"another one lies in {folder.absolute()}", fix)


def foreign_command(path: str, scripts: Path) -> Finding:
    """Tell whose `llms` a shell would run: that in `scripts`, another of ours, or a foreign one."""
    for folder in path.split(os.pathsep):
        found = Path(folder or ".") / "llms"
        if not (found.is_file() and os.access(found, os.X_OK)):
            continue
        if Path(folder).resolve() == scripts.resolve():
            return ok("command llms", str(found))
        if _is_ours(found):
            return warn("command llms", f"{found} belongs to another installation", f"Run {scripts / 'llms'} instead.")
        fix = f"Uninstall it, or put {scripts} before {folder} in PATH."
        return bad("command llms", f"{found} is a foreign program", fix)
    return warn("command llms", "not on the PATH", f"Put {scripts} there, or run python -m llms.")


def _is_ours(script: Path) -> bool:
    try:
        with script.open("rb") as file:
            return _OURS in file.read(_SCRIPT_BYTES)
    except OSError:
        return False
