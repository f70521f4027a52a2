"""Where and with what a run was made."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("aiohttp", "uvloop", "httptools", "orjson")
CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """Name the processor, the number of its cores that may be used, and the system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores, {platform.system()} {platform.release()} {platform.machine()}"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", CPUINFO.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "an unknown processor"


def versions(nginx: str | None = None) -> str:
    """List what a figure depends on; `nginx` is its program, where it was measured."""
    found = [f"llms {_version('llms')}", f"Python {platform.python_version()}"]
    found += [f"{name} {_version(name)}" for name in PACKAGES]
    if nginx is not None:
        told = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False).stderr
        found.append(told.strip().removeprefix("nginx version: ").replace("/", " "))
    return ", ".join(found)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
