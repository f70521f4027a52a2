"""What `llms doctor` looks at in the machine: port, data directory, open files, clock."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import llms
from llms.app import data_dir
from llms.cli.doctor_installation import Finding, bad, ok, warn
from llms.cli.ports import free_port_near, holder_of
from llms.cli.remote import is_ours
from llms.config.model import Config

_FEW_FILES: Final = 128
_SOME_FILES: Final = 4096
_DAY: Final = 86_400.0


def machine(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what there is to say about the machine."""
    yield port(config.server.host, config.server.port)
    yield data(data_dir(config, environ))
    yield open_files()
    yield clock(time.time(), installed=Path(llms.__file__).stat().st_mtime)


def port(host: str, number: int) -> Finding:
    """Tell whether the server could listen, or who holds the port."""
    subject = f"port {number}"
    reason = _refusal(host, number)
    if not reason:
        return ok(subject, "free")
    if asyncio.run(is_ours(f"http://127.0.0.1:{number}/v1")):
        return ok(subject, "llms is running there")
    holder = holder_of(number)
    if not holder:
        return bad(subject, f"{host} cannot be listened on: {reason}", "Use another --host or --port.")
    return bad(subject, f"held by {holder}", f"Stop it, or use another: llms serve --port {free_port_near(number)}")


def _refusal(host: str, number: int) -> str:
    """Try to take the port, give it back, and return why it could not be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or "no such address"
    return ""


def data(folder: Path) -> Finding:
    """Tell whether usage can be stored."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    fix = "Make it yours to write, or set LLMS_DATA_DIR to another folder."
    if not there.is_dir():
        return bad("data directory", f"{there} is a file", fix)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return bad("data directory", f"{there} is not writable: {error.strerror}", fix)
    return ok("data directory", str(folder) if there == folder else f"{folder} (made when it is needed)")


def open_files() -> Finding:
    """Tell whether enough files may be open: each stream needs two."""
    try:
        import resource
    except ImportError:
        return ok("open files", "no limit on this system")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= _SOME_FILES:
        return ok("open files", "no limit" if limit == resource.RLIM_INFINITY else f"{limit} at once")
    text, fix = f"{limit} at once: enough for about {limit // 2} streams", "ulimit -n 65536"
    return bad("open files", text, fix) if limit < _FEW_FILES else warn("open files", text, fix)


def clock(now: float, *, installed: float) -> Finding:
    """Tell whether the clock is plainly wrong, which breaks TLS: it cannot be earlier than the installation."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if now < installed - _DAY:
        return bad("clock", f"{shown} is before llms was installed", "Set the clock, for example by NTP.")
    return ok("clock", shown)
