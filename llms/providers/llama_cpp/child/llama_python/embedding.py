"""Texts as vectors: a model that was loaded for embeddings."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, final

import orjson

from llms.providers.llama_cpp.child.llama_python.context import Context
from llms.providers.llama_cpp.child.llama_python.vocabulary import Vocabulary
from llms.providers.llama_cpp.child.llama_python.weights import Weights
from llms.providers.llama_cpp.child.llama_python.windows import Windows
from llms.providers.llama_cpp.load import Load, Unloadable

_NONE, _MEAN, _RANK = 0, 1, 4
_NAMES: Final = {0: "none", 1: "mean", 2: "cls", 3: "last"}


@final
class EmbeddingModel:
    """Give the vectors of texts."""

    def __init__(self, weights: Weights, wanted: Load) -> None:
        """Take weights, which are freed with this; raise Unloadable when their windows do not fit."""
        self._weights = weights
        self._native = weights.native
        self._vocabulary = Vocabulary(weights.native, weights.pointer, shown=())
        self._numpy: Any = importlib.import_module("numpy")
        self._width: int = weights.native.llama_model_n_embd_out(weights.pointer)
        pointers = weights.contexts(self._shape)
        kind: int = weights.native.llama_pooling_type(pointers[0])
        contexts = [Context(weights.native, pointer, n_batch=weights.n_ctx) for pointer in pointers]
        self._windows = Windows(contexts, n_threads=wanted.n_threads)
        self._pooling = _NAMES.get(kind, str(kind))
        self._numbers = itertools.count()
        if kind == _RANK:
            self._windows.close()
            raise Unloadable("this model ranks documents and gives no vectors of them; take another for embeddings")

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return what only a loaded model knows."""
        return {**self._weights.facts(), "dimensions": self._width, "pooling": self._pooling}

    def chat(self, number: int, body: bytes, on_piece: Callable[[bytes], bool]) -> NoReturn:
        """Raise ValueError."""
        raise ValueError("this model is for embeddings, not for chats")

    def stop(self, number: int) -> None:
        """Do nothing: there are no chats."""

    def embed(self, body: bytes) -> bytes:
        """Return a vector of length 1 for each `input`.

        Raises ValueError naming an input that is empty, too long or of tokens that this model does not have.
        """
        texts = [self._tokens(place, item) for place, item in enumerate(orjson.loads(body)["input"])]
        with self._windows.lend(next(self._numbers), ()) as context:
            context.use_threads(self._windows.share)
            vectors = [self._vector(context, tokens) for tokens in texts]
        answer = {"data": vectors, "prompt_tokens": sum(map(len, texts))}
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)

    def close(self) -> None:
        """Free the memory."""
        self._windows.close()
        self._weights.close()

    def _shape(self, parameters: Any) -> None:
        """Ask for one vector a text: pooled as the file says, else the mean of its tokens' vectors."""
        parameters.embeddings = True
        # A text is pooled within one evaluation only, and some models have to see all of it at once.
        parameters.n_batch = parameters.n_ubatch = self._weights.n_ctx
        if self._weights.fact("pooling_type") in (None, str(_NONE)):
            parameters.pooling_type = _MEAN

    def _tokens(self, place: int, item: str | Sequence[int]) -> Sequence[int]:
        tokens = self._vocabulary.document(item) if isinstance(item, str) else item
        if not tokens:
            raise ValueError(f"input[{place}] is empty")
        if len(tokens) > self._weights.n_ctx:
            raise ValueError(f"input[{place}] has {len(tokens)} tokens; this model takes {self._weights.n_ctx} at most")
        if not all(0 <= token < self._vocabulary.size for token in tokens):
            raise ValueError(f"input[{place}] has token ids that this model does not have")
        return tokens

    def _vector(self, context: Context, tokens: Sequence[int]) -> Any:
        context.evaluate_text(tokens)
        pointer = self._native.llama_get_embeddings_seq(context.pointer, 0)
        if not pointer:
            raise RuntimeError("llama.cpp gave no vector")
        vector = self._numpy.ctypeslib.as_array(pointer, (self._width,)).copy()
        length = self._numpy.linalg.norm(vector)
        return vector / length if length else vector
