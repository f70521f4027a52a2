"""Bind the port, or say who holds it and what to do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from llms.cli.settings import fail


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a bound socket; exit with a clear message when the address cannot be had.

    `shared` lets several processes bind the same port where the system can (SO_REUSEPORT).
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror:
        fail(f"Cannot listen on {host!r}: there is no such address. Use --host 127.0.0.1 or one of this machine's.")
    sock = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared and hasattr(socket, "SO_REUSEPORT"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind(address)
        sock.listen(4096)
    except PermissionError:
        fail(f"Cannot listen on port {port}: ports below 1024 need privileges. Use --port 8000.")
    except OSError as error:
        fail(f"Cannot listen on {host}:{port}: {_words(error, port)} Try --port {free_port_near(port)}.")
    sock.setblocking(False)
    return sock


def free_port_near(port: int) -> int:
    """Return the next port above `port` that is free on loopback."""
    for candidate in range(port + 1, min(port + 100, 65536)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", candidate)) != 0:
                return candidate
    return 0


def holder_of(port: int) -> str | None:
    """Return the name and pid of the process that listens on a port, where Linux tells."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for handle in (process / "fd").iterdir():
                if handle.is_symlink() and str(handle.readlink()) in inodes:
                    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return None


def _words(error: OSError, port: int) -> str:
    if error.errno in (98, 48, 10048):
        holder = holder_of(port)
        return f"the port is in use by {holder}." if holder else "the port is in use."
    return f"{error.strerror or error}."


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
