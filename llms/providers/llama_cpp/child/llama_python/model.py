"""The library llama-cpp-python: a model of which only the native functions are used.

Its own chat completions tell no usage while they stream, ignore JSON schemas and refuse streams with tools, so what
lies between a request and its tokens is ours. Everything here blocks and is called in worker threads.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn, final

import orjson

from llms.providers.llama_cpp.child.answer.reasoning import TAGS
from llms.providers.llama_cpp.child.answer.tool_calls import WORDS
from llms.providers.llama_cpp.child.llama_python.chat_template import CHATML, CHATML_END, ChatTemplate
from llms.providers.llama_cpp.child.llama_python.context import Context, Stopped
from llms.providers.llama_cpp.child.llama_python.embedding import EmbeddingModel
from llms.providers.llama_cpp.child.llama_python.order import Customs
from llms.providers.llama_cpp.child.llama_python.pieces import Pieces, too_long
from llms.providers.llama_cpp.child.llama_python.scores import Scores
from llms.providers.llama_cpp.child.llama_python.vocabulary import Vocabulary
from llms.providers.llama_cpp.child.llama_python.weights import Weights
from llms.providers.llama_cpp.child.llama_python.windows import Windows
from llms.providers.llama_cpp.child.llama_python.writer import Left, Means, Writer
from llms.providers.llama_cpp.load import Load, Unloadable
from llms.providers.llama_cpp.model_file import check_file, model_file

_TEMPLATE: Final = "tokenizer.chat_template"
_OWN: Final = "own"
_SEED_BITS, _ID_BYTES = 32, 16


def load(wanted: Load) -> ChatModel | EmbeddingModel:
    """Load a model, which takes milliseconds to minutes; raise Unloadable with the reason and the fix."""
    with model_file(wanted.path) as path:
        check_file(path)
        weights = Weights.load(path, wanted)
        try:
            return EmbeddingModel(weights, wanted) if wanted.embedding else ChatModel(weights, wanted)
        except Unloadable:
            weights.close()
            raise


@final
class ChatModel:
    """One model in memory and a context window for each of its slots."""

    def __init__(self, weights: Weights, wanted: Load, *, chance: random.Random | None = None) -> None:
        """Take weights, which are freed with this; raise Unloadable when they cannot chat or do not fit."""
        if weights.native.llama_model_has_encoder(weights.pointer):
            raise Unloadable("this model translates one text to another; llms chats with decoders only")
        self._weights = weights
        self._alias = wanted.alias
        vocabulary = Vocabulary(weights.native, weights.pointer, shown=(*WORDS, *TAGS, *TAGS.values()))
        self._customs, self._facts = _customs(weights, vocabulary)
        contexts = [Context(weights.native, pointer, n_batch=weights.n_batch) for pointer in weights.contexts()]
        self._windows = Windows(contexts, n_threads=wanted.n_threads)
        if not contexts[0].has_memory:
            self._windows.close()
            raise Unloadable("this model gives vectors of texts and cannot chat; use it for embeddings")
        self._means = Means(
            native=weights.native,
            vocabulary=vocabulary,
            scores=Scores(weights.native, vocabulary),
            n_ctx=weights.n_ctx,
            share=lambda: self._windows.share,
            clock=time.perf_counter,
            effort=time.thread_time,
            chance=chance or random.SystemRandom(),
        )

    @property
    def facts(self) -> Mapping[str, Any]:
        """Return what only a loaded model knows."""
        return {**self._weights.facts(), **self._facts}

    def chat(self, number: int, body: bytes, on_piece: Callable[[bytes], bool]) -> None:
        """Write an answer; one that is not wanted any more just ends."""
        order = self._customs.order(orjson.loads(body), seed=lambda: self._means.chance.getrandbits(_SEED_BITS))
        if len(order.prompt) >= self._weights.n_ctx:
            on_piece(too_long(prompt=len(order.prompt), n_ctx=self._weights.n_ctx))
            return
        with self._windows.lend(number, order.prompt) as context, suppress(Left, Stopped):
            Writer(order, self._means, context=context, pieces=self._pieces(), on_piece=on_piece).write()

    def stop(self, number: int) -> None:
        """Break off a chat at once, also while it reads its prompt."""
        self._windows.stop(number)

    def embed(self, body: bytes) -> NoReturn:
        """Raise ValueError."""
        raise ValueError("this model is for chats, not for embeddings")

    def close(self) -> None:
        """Free the memory."""
        self._windows.close()
        self._weights.close()

    def _pieces(self) -> Pieces:
        return Pieces(
            answer_id=f"chatcmpl-{self._means.chance.randbytes(_ID_BYTES).hex()}",
            created=int(time.time()),
            model=self._alias,
            fingerprint=f"llama-cpp-python-{self._weights.native.__version__}",
        )


def _customs(weights: Weights, vocabulary: Vocabulary) -> tuple[Customs, dict[str, str]]:
    """Return how to talk with a model, and what to tell of that."""
    template, fact = _template(weights.metadata.get(_TEMPLATE), vocabulary)
    with_tools = weights.metadata.get(f"{_TEMPLATE}.tool_use")
    tool_template = _template(with_tools, vocabulary)[0] if with_tools else template
    told = {"chat_template": fact, "tools": "template" if tool_template.knows_tools else "instruction"}
    stops = () if fact == _OWN else (CHATML_END,)
    return Customs(template, tool_template, vocabulary, weights.metadata, stops), told


def _template(source: str | None, vocabulary: Vocabulary) -> tuple[ChatTemplate, str]:
    """Return a file's template, or ChatML, and which of them it is."""
    fact = _OWN
    try:
        if source:
            return ChatTemplate(source, bos=vocabulary.bos, eos=vocabulary.eos), fact
        fact = "chatml, as the file has none"
    except ValueError as reason:
        fact = f"chatml, as {reason}"
    return ChatTemplate(CHATML, bos=vocabulary.bos, eos=vocabulary.eos), fact
