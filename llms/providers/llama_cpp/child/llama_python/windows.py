"""The context windows of one model: each is lent to one chat at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import final

from llms.providers.llama_cpp.child.llama_python.context import Context


@final
class Windows:
    """Lend contexts; those who find none wait."""

    def __init__(self, contexts: Sequence[Context], *, n_threads: int) -> None:
        """Take the contexts and how many threads all of them may use together."""
        self._contexts = contexts
        self._free = list(contexts)
        self._lent: dict[int, Context] = {}
        self._changed = threading.Condition()
        self._n_threads = n_threads
        self.share = n_threads
        """How many threads each of those at work may use: too many of them get in each other's way."""

    @contextmanager
    def lend(self, number: int, prompt: Sequence[int]) -> Iterator[Context]:
        """Lend the context that holds most of a prompt's beginning to the chat of this number."""
        context = self._take(number, prompt)
        try:
            yield context
        finally:
            with self._changed:
                del self._lent[number]
                self._free.append(context)
                self._divide()
                self._changed.notify()

    def stop(self, number: int) -> None:
        """Break off what a chat evaluates; nothing happens to one that has no context."""
        with self._changed:
            if number in self._lent:
                self._lent[number].stop()

    def close(self) -> None:
        """Free the memory of all."""
        for context in self._contexts:
            context.close()

    def _take(self, number: int, prompt: Sequence[int]) -> Context:
        with self._changed:
            self._changed.wait_for(lambda: self._free)
            # The first of equals is the one that rested longest.
            context = max(self._free, key=lambda free: free.common(prompt))
            self._free.remove(context)
            context.rearm()
            self._lent[number] = context
            self._divide()
            return context

    def _divide(self) -> None:
        self.share = max(1, self._n_threads // max(1, len(self._lent)))
