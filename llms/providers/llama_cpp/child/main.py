"""The child process: load one model, then chat with it until the parent says no more.

Imported here is only what a chat needs; the parent's frameworks stay with the parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Final

from llms.providers._frames import Frame
from llms.providers.llama_cpp.child.chats import Chat
from llms.providers.llama_cpp.child.choice import loader
from llms.providers.llama_cpp.child.link import Link
from llms.providers.llama_cpp.child.loaded import Loaded
from llms.providers.llama_cpp.frames import CHAT, EMBED, LOADED, STOP, TAKEN, UNLOADABLE, counted
from llms.providers.llama_cpp.load import Load, Unloadable

_PARENTS_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Serve the parent; never return, and leave no time for anything to hang at the end."""
    status = 1
    try:
        _leave_signals_to_the_parent()
        link = Link.take_over()
        _die_with_the_parent()
        _serve(link)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _leave_signals_to_the_parent() -> None:
    """Ignore what a terminal sends to all of a group: requests are still being finished."""
    for name in _PARENTS_SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _die_with_the_parent() -> None:
    """Have the kernel kill us with the parent: while native code holds Python's lock, we do not see its pipe end."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _serve(link: Link) -> None:
    """Let threads work and listen in this one, so that the end of the parent is seen whatever they do."""
    # A failed assertion of ggml would else start a debugger to print the stack.
    os.environ["GGML_NO_BACKTRACE"] = "1"
    frames = link.frames()
    _, _, wanted = next(frames)
    desk = _Desk(link, Load(**json.loads(wanted)))
    threading.Thread(target=_or_die, args=(desk.load,), daemon=True).start()
    desk.listen(frames)


def _or_die(work: Callable[[], None]) -> None:
    """Work in a thread; without one of them, the process is worth nothing."""
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


class _Desk:
    """The model and its chats."""

    def __init__(self, link: Link, wanted: Load) -> None:
        self._link = link
        self._wanted = wanted
        self._loaded: Loaded | None = None
        self._chats: dict[int, Chat] = {}
        self._begun: SimpleQueue[Chat] = SimpleQueue()

    def load(self) -> None:
        """Load the model, then be the first of the workers; the others need no more than the model."""
        try:
            self._loaded = loader(self._wanted.loader)(self._wanted)
            facts = json.dumps(dict(self._loaded.facts)).encode()
        except Unloadable as reason:
            self._link.send(UNLOADABLE, 0, str(reason).encode(errors="replace"))
            return
        except Exception as reason:
            traceback.print_exc()
            self._link.send(UNLOADABLE, 0, f"loading failed: {reason!r}".encode())
            return
        for _ in range(self._wanted.slots - 1):
            threading.Thread(target=_or_die, args=(self._work,), daemon=True).start()
        self._link.send(LOADED, 0, facts)
        self._work()

    def listen(self, frames: Iterator[Frame]) -> None:
        """Do what the parent says until it says no more."""
        for kind, number, payload in frames:
            chat = self._chats.get(number)
            if kind in (CHAT, EMBED):
                self._chats[number] = chat = Chat(kind, number, payload, self._link)
                self._begun.put(chat)
            elif kind == STOP and chat is not None:
                self._stop(chat)
            elif kind == TAKEN and chat is not None:
                chat.taken(counted(payload))

    def _stop(self, chat: Chat) -> None:
        chat.stop()
        if self._loaded is not None:
            self._loaded.stop(chat.number)

    def _work(self) -> None:
        assert self._loaded is not None
        while True:
            chat = self._begun.get()
            chat.run(self._loaded)
            self._chats.pop(chat.number, None)
