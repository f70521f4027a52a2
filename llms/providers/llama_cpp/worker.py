"""The child process of one loaded model, as the event loop sees it: chats in, pieces out, and its end."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, final

from llms.providers._frames import BadFrame
from llms.providers._process import Child
from llms.providers.llama_cpp import frames
from llms.providers.llama_cpp.handover import Handover
from llms.providers.llama_cpp.load import Load, Unloadable

_MAIN: Final = "llms.providers.llama_cpp.child.main"
_STOP_AGAIN_SECONDS: Final = 0.05
_LEAST_PATIENCE: Final = 1.0


class Gone(Exception):
    """The process of the model ended; the text says how."""


class Unloaded(Exception):
    """We ended the process of the model."""


@final
class Worker:
    """One process, in which one model is loaded once."""

    def __init__(self, wanted: Load, *, on_over: Callable[[], None], on_gone: Callable[[str], None]) -> None:
        """Take what to load, who is told of each slot that is free again, and who of an end that we did not ask for."""
        self._wanted = wanted
        self._on_over = on_over
        self._on_gone = on_gone
        self._child = Child(wanted.alias, on_frame=self._hear, on_end=self._end)
        self._loaded: asyncio.Future[Mapping[str, Any]] | None = None
        self._numbers = itertools.count(1)
        self._chats: dict[int, Handover] = {}
        self._is_closing = False
        self._cause = ""
        self.facts: Mapping[str, Any] = {}
        """What only a loaded model knows."""
        self.load_seconds = 0.0

    @property
    def pid(self) -> int | None:
        """Return the number of the process while it runs."""
        return self._child.pid

    @property
    def memory(self) -> int | None:
        """Return the bytes that the process has in memory; None where the system does not tell."""
        return self._child.memory

    async def load(self) -> None:
        """Start the process and wait for the model; raise Unloadable, or Gone when the process ended."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._loaded = loop.create_future()
        # Its failure needs no report where nobody waits for the load any more.
        self._loaded.add_done_callback(lambda loaded: loaded.cancelled() or loaded.exception())
        try:
            await self._child.start(_MAIN)
        except OSError as reason:
            raise Gone(f"it cannot be started: {reason}") from None
        self._child.send(frames.LOAD, 0, json.dumps(asdict(self._wanted)).encode())
        self.facts = await self._loaded
        if not self._child.is_running:
            raise Gone(self._cause)
        self.load_seconds = loop.time() - began

    def ask(self, kind: int, body: bytes) -> Handover:
        """Begin a chat (`frames.CHAT`) or an embedding (`frames.EMBED`), for which there must be a slot."""
        number = next(self._numbers)
        handover = Handover(number, lambda taken: self._child.send(frames.TAKEN, number, frames.count(taken)))
        self._chats[number] = handover
        self._child.send(kind, number, body)
        return handover

    def stop(self, handover: Handover) -> None:
        """Give a chat up; its slot is free when the child has stopped, or is gone because it did not."""
        if self._chats.get(handover.number) is handover:
            handover.give_up()
            loop = asyncio.get_running_loop()
            self._insist(handover, loop, loop.time() + max(_LEAST_PATIENCE, self.load_seconds))

    async def close(self) -> None:
        """End every chat and the process, and wait until its memory is free."""
        self._is_closing = True
        self._end_all(Unloaded())
        await self._child.close()

    def _insist(self, handover: Handover, loop: asyncio.AbstractEventLoop, end: float) -> None:
        """Say stop until the child has stopped, as a chat that is just beginning may miss it; then lose patience."""
        if loop.time() < end:
            self._child.send(frames.STOP, handover.number)
            handover.timer = loop.call_later(_STOP_AGAIN_SECONDS, self._insist, handover, loop, end)
        else:
            handover.is_overdue = True
            self._replace_if_deaf()

    def _replace_if_deaf(self) -> None:
        """Kill a process in which nothing goes on but what nobody wants: loading anew is quicker than waiting."""
        chats = self._chats.values()
        if any(chat.is_overdue for chat in chats) and all(chat.is_given_up for chat in chats):
            self._child.kill("it did not stop when asked to")

    def _hear(self, kind: int, number: int, payload: bytes) -> None:
        """Take a message of the child; raise BadFrame for one that makes no sense."""
        if self._is_closing:
            return
        if kind == frames.PIECE and number in self._chats:
            self._chats[number].put(payload)
        elif kind == frames.END and number in self._chats:
            self._chats.pop(number).end(_failure(payload))
            self._on_over()
            self._replace_if_deaf()
        elif kind in (frames.LOADED, frames.UNLOADABLE) and self._loaded is not None and not self._loaded.done():
            self._note_load(kind, payload)
        else:
            raise BadFrame(f"a message of kind {kind} for chat {number}, which nobody waits for")

    def _note_load(self, kind: int, payload: bytes) -> None:
        assert self._loaded is not None
        if kind == frames.LOADED:
            self._loaded.set_result(_decoded(payload))
        else:
            self._loaded.set_exception(Unloadable(payload.decode(errors="replace")))

    def _end(self, cause: str) -> None:
        """Tell everybody who waits that the process is gone."""
        self._cause = cause
        if self._loaded is not None and not self._loaded.done():
            self._loaded.set_exception(Gone(cause))
        self._end_all(Gone(cause))
        if not self._is_closing:
            self._on_gone(cause)

    def _end_all(self, failure: Exception) -> None:
        chats, self._chats = self._chats, {}
        for chat in chats.values():
            chat.end(failure)
            self._on_over()


def _failure(payload: bytes) -> Exception | None:
    """Return what the library raised, from the payload of END."""
    if not payload:
        return None
    raised = _decoded(payload)
    kind, message = str(raised.get("kind")), str(raised.get("message"))
    return ValueError(message) if kind == "ValueError" else RuntimeError(message or kind)


def _decoded(payload: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        raise BadFrame("a message that is no JSON") from None
    if not isinstance(found, dict):
        raise BadFrame("a message that is no object")
    return found
