"""Choosing the next token: llama.cpp's samplers in a row, and a grammar that has the last word."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final, final

from llms.providers.llama_cpp.child.grammars.constraint import Form
from llms.providers.llama_cpp.child.llama_python.scores import Scores
from llms.providers.llama_cpp.child.llama_python.vocabulary import Vocabulary
from llms.providers.llama_cpp.child.llama_python.wishes import Wishes

_IMPOSSIBLE: Final = float("-inf")


@final
class Sampler:
    """Choose the tokens of one answer; to be closed."""

    def __init__(
        self, native: Any, vocabulary: Vocabulary, scores: Scores, wishes: Wishes, *, form: Form | None
    ) -> None:
        """Build the row; raise ValueError for a grammar that llama.cpp cannot read."""
        self._native = native
        self._vocabulary = vocabulary
        self._rules = None
        self._candidates: _Candidates | None = None
        self._row = native.llama_sampler_chain_init(native.llama_sampler_chain_default_params())
        self._fill(wishes)
        self._remembers = wishes.repeat_last_n if wishes.penalizes else 0
        if form is not None:
            self._rules = native.llama_sampler_init_grammar(vocabulary.pointer, form.grammar.encode(), b"root")
            if not self._rules:
                self.close()
                raise ValueError(f"{form.trouble}: it is malformed, repeats too much or refers to itself at once")
            self._candidates = _Candidates(native, scores)

    def hear(self, prompt: Sequence[int]) -> None:
        """Take note of what was said before, where that matters."""
        for token in prompt[max(0, len(prompt) - self._remembers) :] if self._remembers else ():
            self._native.llama_sampler_accept(self._row, token)

    def choose(self, context: Any) -> int:
        """Return the next token, which is said from now on; RuntimeError when the grammar allows none at all."""
        if self._candidates is None:
            token: int = self._native.llama_sampler_sample(self._row, context, -1)
            return token
        # Mostly the model's own choice is allowed, and asking for one token is far cheaper than asking for all.
        token = self._candidates.best(context, None, self._row)
        if not self._candidates.allowed(token, self._rules):
            token = self._candidates.best(context, self._rules, self._row)
        self._native.llama_sampler_accept(self._rules, token)
        self._native.llama_sampler_accept(self._row, token)
        return token

    def close(self) -> None:
        """Free the memory."""
        self._native.llama_sampler_free(self._row)
        if self._rules:
            self._native.llama_sampler_free(self._rules)

    def _fill(self, wishes: Wishes) -> None:
        native, size = self._native, self._vocabulary.size
        bias = [(token, value) for token, value in wishes.logit_bias if 0 <= token < size]
        if bias:
            biases = (native.llama_logit_bias * len(bias))(*bias)
            self._add(native.llama_sampler_init_logit_bias(size, len(bias), biases))
        if wishes.penalizes:
            penalties = (wishes.repeat_penalty, wishes.frequency_penalty, wishes.presence_penalty)
            self._add(native.llama_sampler_init_penalties(size, wishes.repeat_last_n, *penalties))
        if wishes.temperature <= 0:
            self._add(native.llama_sampler_init_greedy())
            return
        self._add(native.llama_sampler_init_top_k(wishes.top_k))
        self._add(native.llama_sampler_init_typical(wishes.typical_p, 1))
        self._add(native.llama_sampler_init_top_p(wishes.top_p, 1))
        self._add(native.llama_sampler_init_min_p(wishes.min_p, 1))
        self._add(native.llama_sampler_init_temp(wishes.temperature))
        self._add(native.llama_sampler_init_dist(wishes.seed))

    def _add(self, sampler: Any) -> None:
        self._native.llama_sampler_chain_add(self._row, sampler)


@final
class _Candidates:
    """All tokens with how likely they are, in memory that samplers work on."""

    def __init__(self, native: Any, scores: Scores) -> None:
        numpy = scores.numpy
        kind = [("id", numpy.int32), ("logit", numpy.float32), ("p", numpy.float32)]
        self._native = native
        self._scores = scores
        self._all = numpy.zeros(scores.size, kind)
        self._one = numpy.zeros(1, kind)
        self._ids = numpy.arange(scores.size, dtype=numpy.int32)

    def best(self, context: Any, rules: Any, row: Any) -> int:
        """Return the choice of a row of samplers among what rules allow."""
        self._all["id"] = self._ids
        self._all["logit"] = self._scores.last(context)
        self._all["p"] = 0
        array = self._array(self._all)
        if rules is not None:
            self._native.llama_sampler_apply(rules, ctypes.byref(array))
            if not (self._all["logit"] > _IMPOSSIBLE).any():
                raise RuntimeError("the grammar allows none of the model's tokens here")
        self._native.llama_sampler_apply(row, ctypes.byref(array))
        return int(array.data[array.selected].id)

    def allowed(self, token: int, rules: Any) -> bool:
        """Tell whether rules allow a token."""
        self._one[0] = (token, 0, 0)
        self._native.llama_sampler_apply(rules, ctypes.byref(self._array(self._one)))
        return bool(self._one["logit"][0] > _IMPOSSIBLE)

    def _array(self, tokens: Any) -> Any:
        data = tokens.ctypes.data_as(self._native.llama_token_data_p)
        return self._native.llama_token_data_array(data, len(tokens), -1, False)
