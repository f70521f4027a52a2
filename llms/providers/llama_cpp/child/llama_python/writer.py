"""Writing one answer: read the prompt, then choose a token, say it and evaluate it, until the end."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, final

from llms.providers.llama_cpp.child.answer.delta import Argued, Called, Delta
from llms.providers.llama_cpp.child.llama_python.context import Context
from llms.providers.llama_cpp.child.llama_python.order import Order
from llms.providers.llama_cpp.child.llama_python.pieces import Pieces
from llms.providers.llama_cpp.child.llama_python.sampler import Sampler
from llms.providers.llama_cpp.child.llama_python.scores import Scores
from llms.providers.llama_cpp.child.llama_python.vocabulary import Vocabulary

_LETTERS: Final = string.ascii_letters + string.digits
_MOST_EFFORT: Final = 2.0
"""Seconds for one token; usually it takes some milliseconds."""
_CALL_ID: Final = 9
"""Letters of a call's id: templates of Mistral's models refuse any other number."""


class Left(Exception):
    """The client wants no more."""


@final
@dataclass(frozen=True, slots=True)
class Means:
    """What all answers of a model are written with."""

    native: Any
    vocabulary: Vocabulary
    scores: Scores
    n_ctx: int
    share: Callable[[], int]
    """Tells how many threads may be used."""
    clock: Callable[[], float]
    """Seconds that only go forward."""
    effort: Callable[[], float]
    """Seconds that this thread has kept a processor busy."""
    chance: random.Random


@final
class Writer:
    """Write one answer into a function that takes its pieces and returns True when no more are wanted."""

    def __init__(
        self, order: Order, means: Means, *, context: Context, pieces: Pieces, on_piece: Callable[[bytes], bool]
    ) -> None:
        """Take what to write, with what and where to."""
        self._order = order
        self._means = means
        self._context = context
        self._pieces = pieces
        self._on_piece = on_piece
        self._count = 0
        """Tokens chosen so far, the one that ends the answer included."""
        self._spelled = 0
        """The bytes that they stand for."""
        self._logprobs: list[tuple[int, Mapping[str, Any]]] = []
        """Of tokens that are not said yet, with the place of their first byte."""

    def write(self) -> None:
        """Write it all; raise Left or Stopped when it is not wanted any more, ValueError for an unreadable grammar."""
        order, means, clock = self._order, self._means, self._means.clock
        row = Sampler(means.native, means.vocabulary, means.scores, order.wishes, form=order.form)
        with closing(row) as sampler:
            began = clock()
            cached = self._read_prompt(began)
            sampler.hear(order.prompt)
            read = clock()
            reason = self._answer(sampler)
        self._tell(self._pieces.finish(reason, self._due_logprobs()))
        timings = _timings(len(order.prompt) - cached, read - began, self._count, clock() - read, cached)
        self._tell(self._pieces.usage(prompt=len(order.prompt), cached=cached, completion=self._count, timings=timings))

    def _read_prompt(self, began: float) -> int:
        """Evaluate what is new of the prompt; return how much of it is not."""
        prompt, context = self._order.prompt, self._context
        cached = context.keep(prompt, exactly=self._order.exactly)
        for start in range(cached, len(prompt), context.n_batch):
            passed = self._means.clock() - began
            self._tell(self._pieces.progress(prompt=len(prompt), cached=cached, done=start, seconds=passed))
            context.use_threads(self._means.share())
            context.evaluate(prompt[start : start + context.n_batch])
        return cached

    def _answer(self, sampler: Sampler) -> str:
        """Write token by token; return the reason of the end."""
        reason = self._tokens(sampler)
        if self._is_enough():
            return "tool_calls"
        self._say(self._order.interpretation.end())
        return "tool_calls" if self._pieces.calls and reason == "stop" else reason

    def _tokens(self, sampler: Sampler) -> str:
        order, means, context = self._order, self._means, self._context
        room = means.n_ctx - len(order.prompt)
        limit = room if order.limit is None else min(order.limit, room)
        while True:
            token = self._choose(sampler)
            self._count += 1
            if self._count == 1:
                self._tell(self._pieces.role())
            piece = means.vocabulary.piece(token)
            if piece is None:
                return "stop"
            if order.logprobs is not None and piece:
                entry = means.scores.logprobs(context.pointer, token, top=order.logprobs)
                self._logprobs.append((self._spelled, entry))
            self._spelled += len(piece)
            self._say(order.interpretation.feed(piece))
            if order.interpretation.is_over or self._is_enough():
                return "stop"
            if self._count >= limit:
                return "length"
            context.use_threads(means.share())
            context.evaluate((token,))

    def _choose(self, sampler: Sampler) -> int:
        """Choose a token; raise ValueError for a form that can be read in so many ways that it takes for ever."""
        form, effort = self._order.form, self._means.effort
        if form is None:
            return sampler.choose(self._context.pointer)
        began = effort()
        token = sampler.choose(self._context.pointer)
        if effort() - began > _MOST_EFFORT:
            raise ValueError(f"{form.trouble}: it leaves so much open that it takes too long")
        return token

    def _is_enough(self) -> bool:
        return self._order.one_call and self._pieces.calls > 0

    def _say(self, deltas: Sequence[Delta]) -> None:
        """Send what was understood, but no second call where one is all that is wanted."""
        for delta in deltas:
            if self._is_enough() and not isinstance(delta, Argued):
                return
            call_id = "".join(self._means.chance.choices(_LETTERS, k=_CALL_ID)) if isinstance(delta, Called) else ""
            self._tell(self._pieces.delta(delta, call_id, self._due_logprobs()))

    def _due_logprobs(self) -> list[Mapping[str, Any]]:
        """Take the entries of the tokens that are not held back any more."""
        if not self._logprobs:
            return []
        released = self._order.interpretation.released
        due = [entry for place, entry in self._logprobs if place < released]
        self._logprobs = self._logprobs[len(due) :]
        return due

    def _tell(self, piece: bytes) -> None:
        if self._on_piece(piece):
            raise Left


def _timings(prompt: int, reading: float, answer: int, writing: float, cached: int) -> dict[str, float]:
    """Return what llama.cpp's own server tells of speed, in milliseconds and tokens a second."""
    return {
        "cache_n": cached,
        "prompt_n": prompt,
        "prompt_ms": round(reading * 1000, 3),
        "prompt_per_second": round(prompt / reading, 2) if reading else 0,
        "predicted_n": answer,
        "predicted_ms": round(writing * 1000, 3),
        "predicted_per_second": round(answer / writing, 2) if writing else 0,
    }
