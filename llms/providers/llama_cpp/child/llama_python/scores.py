"""How likely a model thinks each token is to come next."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, final

from llms.providers.llama_cpp.child.llama_python.vocabulary import Vocabulary


@final
class Scores:
    """Read the scores of a vocabulary's tokens after an evaluation."""

    __slots__ = ("_native", "_vocabulary", "numpy", "size")

    def __init__(self, native: Any, vocabulary: Vocabulary) -> None:
        self._native = native
        self._vocabulary = vocabulary
        self.numpy: Any = importlib.import_module("numpy")
        self.size = vocabulary.size

    def last(self, context: Any) -> Any:
        """Return the score of each token, unscaled, in memory that lasts until the next evaluation."""
        return self.numpy.ctypeslib.as_array(self._native.llama_get_logits_ith(context, -1), (self.size,))

    def logprobs(self, context: Any, token: int, *, top: int) -> Mapping[str, Any]:
        """Return how likely a token was before anything was left to chance, and the `top` likeliest beside it."""
        scores = self.last(context).astype(self.numpy.float64)
        scores -= scores.max()
        scores -= self.numpy.log(self.numpy.exp(scores).sum())
        best = self.numpy.argpartition(-scores, top)[:top] if top else []
        ranked = sorted((int(place) for place in best), key=lambda place: (-scores[place], place))
        return {**self._entry(token, scores), "top_logprobs": [self._entry(other, scores) for other in ranked]}

    def _entry(self, token: int, scores: Any) -> dict[str, Any]:
        piece = self._vocabulary.piece(token) or b""
        text = piece.decode("utf-8", "replace")
        return {"id": token, "token": text, "bytes": list(piece), "logprob": float(scores[token])}
