"""Bind the port, or say who holds it and what to do."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from typing import Final

from llms.cli.output import fail

_NO_ADDRESS: Final = "this machine has no such address. Use --host 127.0.0.1 or one of its own."

_BACKLOG: Final = 4096
_SHARES: Final = sys.platform == "linux"
"""Connections are spread evenly over all sockets that listen on one port; elsewhere the last one gets them all."""


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket; exit with a clear message when the address cannot be had.

    A `shared` one holds the port for the sockets that `joined` makes of it, and does not listen where those share.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError):
        fail(f"Cannot listen on {host!r}: {_NO_ADDRESS}")
    sock = socket.socket(family, socket.SOCK_STREAM)
    if os.name == "posix":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(address)
        if shared and _SHARES:
            # From now on others of this user may join, but nobody who binds the port as we did.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        else:
            sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        fail(_refusal(error, host, port))
    sock.setblocking(False)
    return sock


def joined(held: socket.socket) -> socket.socket:
    """Return a socket of one worker, which listens on a port that is shared.

    Each has its own, so that the system shares out the connections. Where it cannot, they take turns at one.
    """
    if not _SHARES:
        return held
    sock = socket.socket(held.family, socket.SOCK_STREAM)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
    sock.bind(held.getsockname())
    sock.listen(_BACKLOG)
    sock.setblocking(False)
    held.close()
    return sock


def _refusal(error: OSError, host: str, port: int) -> str:
    if isinstance(error, PermissionError):
        return f"Cannot listen on port {port}: ports below 1024 need privileges. Use --port 8000."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"Cannot listen on {host!r}: {_NO_ADDRESS}"
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(port)
        why = f"the port is in use by {holder}." if holder else "the port is in use."
    else:
        why = f"{error.strerror or error}."
    return f"Cannot listen on {host}:{port}: {why} Try --port {free_port_near(port)}."


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
