"""One context window in native memory: what was evaluated in it stays for prompts that begin the same way."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, Final, final

_ABORTED: Final = 2
_FULL: Final = 1


class Stopped(Exception):
    """The evaluation was broken off because we asked for it."""


@final
class Context:
    """A window of `n_ctx` tokens; used by one thread at a time, but for `stop`."""

    def __init__(self, native: Any, pointer: Any, *, n_batch: int) -> None:
        """Take the bindings and a context of theirs, which is freed with this one."""
        self._native = native
        self.pointer = pointer
        self._memory = native.llama_get_memory(pointer)
        self._n_batch = n_batch
        self._threads = 0
        self.held: list[int] = []
        """The tokens that are evaluated."""
        self._steady = 0
        """So many of them, from the first, were evaluated in whole batches: again they would give the very same."""
        self._one = (native.llama_token * 1)()
        self._batch_of_one = native.llama_batch_get_one(self._one, 1)
        self._flag = ctypes.create_string_buffer(2)
        self._ask = _abort_callback(native)
        native.llama_set_abort_callback(pointer, self._ask, ctypes.cast(self._flag, ctypes.c_void_p))

    def stop(self) -> None:
        """Break off the evaluation that runs, and those that follow until `rearm`; from any thread."""
        self._flag[0] = b"\x01"

    def rearm(self) -> None:
        """Forget that we asked to stop."""
        self._flag[0] = b"\x00"

    def use_threads(self, count: int) -> None:
        """Evaluate with so many threads from now on."""
        if count != self._threads:
            self._threads = count
            self._native.llama_set_n_threads(self.pointer, count, count)

    @property
    def has_memory(self) -> bool:
        """Tell whether what was evaluated is remembered; models that only give vectors remember nothing."""
        return bool(self._memory)

    @property
    def n_batch(self) -> int:
        """Return how many tokens are evaluated at a time."""
        return self._n_batch

    def common(self, tokens: Sequence[int]) -> int:
        """Return with how many of the tokens held a prompt begins."""
        most = min(len(self.held), len(tokens))
        return next((place for place in range(most) if self.held[place] != tokens[place]), most)

    def keep(self, tokens: Sequence[int], *, exactly: bool) -> int:
        """Forget what does not begin a prompt; return how many of its tokens need no evaluation, never all of them.

        Evaluated in other company, tokens give slightly different numbers; `exactly` keeps only what gives the same
        as if nothing had been held.
        """
        count = min(self.common(tokens), len(tokens) - 1)
        if exactly:
            count = min(count, self._steady) // self._n_batch * self._n_batch
        return count if self._forget(count) else 0

    def evaluate(self, tokens: Sequence[int]) -> None:
        """Evaluate at most a batch of tokens; raise Stopped if we asked for that, RuntimeError if it fails."""
        if self._is_stopped():
            # A GPU does not ask while it works.
            raise Stopped
        count = len(tokens)
        if count == 1:
            self._one[0] = tokens[0]
            outcome = self._native.llama_decode(self.pointer, self._batch_of_one)
        else:
            outcome = self._run(self._native.llama_decode, tokens)
        if outcome != 0:
            self._fail(outcome)
        if count == self._n_batch and self._steady == len(self.held):
            self._steady += count
        self.held += tokens

    def evaluate_text(self, tokens: Sequence[int]) -> None:
        """Evaluate a whole text on its own, up to the window's length; raise as `evaluate` does."""
        if self._memory:
            self._native.llama_memory_clear(self._memory, True)
        outcome = self._run(self._native.llama_decode if self._memory else self._native.llama_encode, tokens)
        if outcome != 0:
            self._fail(outcome)

    def close(self) -> None:
        """Free the memory."""
        self._native.llama_free(self.pointer)

    def _is_stopped(self) -> bool:
        return self._flag[0] != b"\x00"

    def _run(self, evaluate: Any, tokens: Sequence[int]) -> int:
        # A batch only points to its tokens, so they have to be held here.
        data = (self._native.llama_token * len(tokens))(*tokens)
        outcome: int = evaluate(self.pointer, self._native.llama_batch_get_one(data, len(tokens)))
        return outcome

    def _forget(self, count: int) -> bool:
        """Forget all but the first tokens; some models can only forget everything, which False tells."""
        if count == len(self.held):
            return True
        # What keeps only its latest state, or only a window of it, cannot go back.
        whole = self._native.llama_memory_seq_pos_min(self._memory, 0) == 0
        kept = count > 0 and whole and self._native.llama_memory_seq_rm(self._memory, 0, count, -1)
        if not kept:
            self._native.llama_memory_clear(self._memory, True)
        del self.held[count if kept else 0 :]
        self._steady = min(self._steady, len(self.held))
        return bool(kept)

    def _fail(self, outcome: int) -> None:
        """Make the memory hold what we think it holds, and no more."""
        if self._memory and not self._native.llama_memory_seq_rm(self._memory, 0, len(self.held), -1):
            self._native.llama_memory_clear(self._memory, True)
            self.held.clear()
            self._steady = 0
        if outcome == _ABORTED and self._is_stopped():
            raise Stopped
        reason = "no room in its context" if outcome == _FULL else f"llama_decode returned {outcome}"
        raise RuntimeError(f"the evaluation failed: {reason}")


def _abort_callback(native: Any) -> Any:
    """Return what llama.cpp asks, hundreds of times for each token, whether to stop.

    A C function instead of one in Python, which would cost half of the speed: the length of a text of at most one
    character is not zero once there is one.
    """
    library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    return ctypes.cast(library.strlen, native.ggml_abort_callback)
