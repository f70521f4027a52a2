"""A child process that works for this one: messages both ways, its last words, and an end that is noticed at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast, final

import structlog

from llms.config.masking import is_secret
from llms.protocol.errors import excerpt
from llms.providers._frames import BadFrame, FrameReader, frame

_START: Final = "import sys; sys.path[:] = sys.argv[2:]; from {module} import main; main()"
_LARGEST: Final = 2**24
"""Bytes that one message of a child may have."""
_LONGEST_LINE: Final = 2000
_LINES: Final = 20
_LAST_WORDS_SECONDS: Final = 0.5
_CLOSE_SECONDS: Final = 1.0
_KILL_SECONDS: Final = 5.0
_OUT, _ERR = 1, 2

_log = structlog.get_logger()


@final
class Child(asyncio.SubprocessProtocol):
    """Run the `main` of a module in a Python of its own.

    The child reads messages from its file 0 and writes them to its file 1; at the end of file 0 it must end itself,
    so it does not outlive us, however we end.
    """

    def __init__(
        self, name: str, *, on_frame: Callable[[int, int, bytes], None], on_end: Callable[[str], None]
    ) -> None:
        """Take who gets each message (kind, number, payload) and, once, why the child ended.

        `on_frame` may raise BadFrame: then the child is broken, and killed.
        """
        self._name = name
        self._on_frame = on_frame
        self._on_end = on_end
        self._frames = FrameReader(_LARGEST)
        self._transport: asyncio.SubprocessTransport | None = None
        self._line = b""
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._ended: asyncio.Future[None] | None = None
        self._blame = ""
        """Why we killed it, if we did."""

    async def start(self, module: str) -> None:
        """Start the process, which finds the modules that we find; raise OSError when the system refuses.

        It gets our environment without the secrets in it: native code may crash, and its memory end up in a file.
        """
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        program = _START.format(module=module)
        command = (sys.executable, "-c", program, excerpt(self._name), *sys.path)
        environ = {name: value for name, value in os.environ.items() if not is_secret(name)}
        await loop.subprocess_exec(lambda: self, *command, env=environ)

    @property
    def pid(self) -> int | None:
        """Return the number of the process while it runs."""
        return self._transport.get_pid() if self._transport is not None and self.is_running else None

    @property
    def is_running(self) -> bool:
        """Tell whether the process was started and its end not yet told."""
        return self._ended is not None and not self._ended.done()

    @property
    def memory(self) -> int | None:
        """Return the bytes it has in memory, its part of mapped files included; None where the system does not tell."""
        pages = _resident_pages(self.pid)
        return None if pages is None else pages * os.sysconf("SC_PAGE_SIZE")

    def send(self, kind: int, number: int, payload: bytes = b"") -> None:
        """Send a message; one to a child that has ended is dropped."""
        pipe = self._stdin()
        if pipe is not None and not pipe.is_closing():
            pipe.write(frame(kind, number, payload))

    def kill(self, blame: str) -> None:
        """End the process at once and say why."""
        if self._transport is not None and self.is_running:
            self._blame = self._blame or blame
            try:
                self._transport.kill()
            except ProcessLookupError:
                return

    async def close(self) -> None:
        """Ask the process to end, kill it when it does not, and wait until it is gone."""
        if self._ended is None or self._transport is None:
            return
        if (pipe := self._stdin()) is not None:
            pipe.close()
        await asyncio.wait([self._ended], timeout=_CLOSE_SECONDS)
        self.kill("it did not end when asked to")
        await asyncio.wait([self._ended], timeout=_KILL_SECONDS)

    # What the loop calls, in this order.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        """Hand on messages, keep last words."""
        assert isinstance(data, bytes)
        if fd == _OUT:
            self._read(data)
        elif fd == _ERR:
            self._listen(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Make an end with a child that closed its mouth but runs on."""
        if fd == _OUT:
            asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self.kill, "it closed its output")

    def process_exited(self) -> None:
        """Wait a moment for its last words: its files may be held open by processes that it left behind."""
        asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the end."""
        self._end()

    def _read(self, data: bytes) -> None:
        if self._blame:
            return
        try:
            for kind, number, payload in self._frames.feed(data):
                self._on_frame(kind, number, payload)
        except BadFrame as reason:
            self.kill(f"it sent {reason}")

    def _listen(self, data: bytes) -> None:
        """Keep the last lines of what it says; of a flood, nothing else is looked at."""
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[:_LONGEST_LINE]
        said = [line[:_LONGEST_LINE].decode(errors="replace").strip() for line in lines[-_LINES:]]
        if said := [line for line in said if line]:
            self._lines.extend(said)
            _log.debug("a child process says", child=self._name, lines=said)

    def _end(self) -> None:
        if self._ended is None or self._ended.done():
            return
        assert self._transport is not None
        self._listen(b"\n")
        self._ended.set_result(None)
        self._transport.close()
        self._on_end(self._cause(self._transport.get_returncode()))

    def _cause(self, code: int | None) -> str:
        how = self._blame or _meaning(code)
        return f"{how}: {excerpt(self._lines[-1])}" if self._lines else how

    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(0) if self._transport is not None else None
        return cast("asyncio.WriteTransport | None", pipe)


def _meaning(code: int | None) -> str:
    """Return an exit code in words; a negative one is a signal's number."""
    if code is None:
        return "it ended"
    if code == -getattr(signal, "SIGKILL", 9):
        return "it was killed, probably because memory ran out"
    if code < 0:
        return f"it ended by {_signal_name(-code)}"
    return f"it ended with status {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _resident_pages(pid: int | None) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
