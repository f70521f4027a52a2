"""Environments of their own for clients that cannot live beside the product's, made once and kept in .cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "clients"
_PATIENCE = 600.0


def python_with(*requirements: str) -> Path:
    """Return the interpreter of an environment that has some packages."""

    def make(home: Path) -> Sequence[Sequence[str]]:
        uv = [sys.executable, "-m", "uv"]
        into = [*uv, "pip", "install", "--quiet", "--python", str(home)]
        return [*uv, "venv", "--quiet", "--python", sys.executable, str(home)], [*into, *requirements]

    return _made("python", requirements, make) / "bin" / "python"


def node_with(*packages: str) -> Path:
    """Return a folder where Node finds some packages."""

    def make(home: Path) -> Sequence[Sequence[str]]:
        npm = shutil.which("npm") or "npm"
        return ([npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", "--loglevel=error", *packages],)

    return _made("node", packages, make)


def _made(kind: str, wanted: Sequence[str], make: Callable[[Path], Sequence[Sequence[str]]]) -> Path:
    """Return the folder of what is wanted, by which it is named, after making it where it is not whole; or skip."""
    name = hashlib.sha256("\n".join((sys.version, *wanted)).encode()).hexdigest()[:12]
    home = CACHE / f"{kind}-{name}"
    whole = home / "whole"
    with _alone(home):
        if whole.exists():
            return home
        shutil.rmtree(home, ignore_errors=True)
        for command in make(home):
            _run(command, home)
        whole.touch()
    return home


def _run(command: Sequence[str], home: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
        problem = done.stderr.strip()[-300:] if done.returncode else ""
        failed = done.returncode != 0
    except (OSError, subprocess.TimeoutExpired) as failure:
        failed, problem = True, str(failure)
    if failed:
        shutil.rmtree(home, ignore_errors=True)
        pytest.skip(f"a client cannot be installed here: {' '.join(command)}: {problem}")


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep other processes of the same run from making it as well."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
