"""Tokens and what they stand for."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, final


@final
class Vocabulary:
    """The tokens of one model; any number of threads may ask."""

    __slots__ = ("_adds_bos", "_native", "_pieces", "_vocab", "bos", "eos", "size")

    def __init__(self, native: Any, model: Any, *, shown: Iterable[str]) -> None:
        """Take the bindings, a model, and words to show in answers although their tokens are not meant for it."""
        self._native = native
        self._vocab = native.llama_model_get_vocab(model)
        self._adds_bos = native.llama_vocab_get_add_bos(self._vocab)
        self.size: int = native.llama_vocab_n_tokens(self._vocab)
        self.bos = self._name(native.llama_vocab_bos(self._vocab))
        """The text of the token that begins a prompt; "" if there is none."""
        self.eos = self._name(native.llama_vocab_eos(self._vocab))
        self._pieces: dict[int, bytes | None] = {}
        self._show(shown)

    @property
    def pointer(self) -> Any:
        """Return what the bindings call a vocabulary."""
        return self._vocab

    def prompt(self, text: str) -> list[int]:
        """Return the tokens of a whole prompt, special ones included, with one token at its beginning if usual."""
        first: int = self._native.llama_vocab_bos(self._vocab)
        begins = self._adds_bos and first >= 0 and not (self.bos and text.startswith(self.bos))
        tokens = self.tokens(text)
        return [first, *tokens] if begins else tokens

    def document(self, text: str) -> list[int]:
        """Return the tokens of a text of its own, with all that the model expects around it."""
        return self._tokens(text, True)

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, special ones included."""
        return self._tokens(text, False)

    def _tokens(self, text: str, around: bool) -> list[int]:
        data = text.encode()
        room = len(data) + 2
        while True:
            found = (self._native.llama_token * room)()
            count = self._native.llama_tokenize(self._vocab, data, len(data), found, room, around, True)
            if count >= 0:
                return list(found[:count])
            room = -count

    def piece(self, token: int) -> bytes | None:
        """Return the bytes that a token stands for, in which half a character may begin or end; None at the end."""
        try:
            return self._pieces[token]
        except KeyError:
            ends = self._native.llama_vocab_is_eog(self._vocab, token)
            piece = self._pieces[token] = None if ends else self.spelled(token, special=False)
            return piece

    def spelled(self, token: int, *, special: bool) -> bytes:
        """Return the bytes of a token; without `special` those are none for one that is not meant to be seen."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = self._native.llama_token_to_piece(self._vocab, token, buffer, room, 0, special)
            if count >= 0:
                return bytes(buffer.raw[:count])
            room = -count

    def _name(self, token: int) -> str:
        if token < 0:
            return ""
        text: bytes = self._native.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8", "replace")

    def _show(self, words: Iterable[str]) -> None:
        for word in words:
            tokens = self.tokens(word)
            if len(tokens) == 1 and not self._native.llama_vocab_is_eog(self._vocab, tokens[0]):
                self._pieces[tokens[0]] = self.spelled(tokens[0], special=True)
