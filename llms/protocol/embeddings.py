"""The nouns of embeddings: what is asked for, and what a provider answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal, NoReturn, final

from llms.protocol import json
from llms.protocol.chat import Usage
from llms.protocol.errors import InvalidRequest, excerpt
from llms.protocol.parse import parse_object

EncodingFormat = Literal["float", "base64"]
"""A vector as a JSON list of numbers, or as base64 of little-endian 32-bit floats."""

MOST_INPUTS: Final = 2048
"""Texts or token lists of one request: OpenAI's own bound."""
_LONGEST_MODEL: Final = 512
_ENOUGH: Final = 1024
"""Of a long text no more is looked at for a message."""
_INPUT: Final = "a string, a list of strings, a list of token ids, or a list of such lists"


@final
@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One request for embeddings: the decoded body, whole and unchanged, and what is read of it."""

    body: Mapping[str, Any]
    model: str
    inputs: Sequence[str | Sequence[int]]
    """What gets a vector each: texts, or lists of token ids. A single one is a list of one here."""
    hops: int = 0
    """How many `llms` nodes the request has passed; sent on as `x-llms-hops`."""
    request_id: str = ""
    progress: ClassVar[None] = None
    """There is nobody to tell how far an answer is."""

    @property
    def encoding_format(self) -> EncodingFormat:
        """Return the form in which the client wants its vectors."""
        return "base64" if self.body.get("encoding_format") == "base64" else "float"

    @property
    def dimensions(self) -> int | None:
        """Return how many numbers a vector shall have; None for as many as the model gives."""
        found: int | None = self.body.get("dimensions")
        return found

    def for_model(self, model: str) -> EmbeddingRequest:
        """Return the same request under the upstream's own model id."""
        return self if model == self.model else replace(self, model=model)

    def without(self, field: str) -> EmbeddingRequest:
        """Return the same request less one field of its body."""
        return replace(self, body={name: value for name, value in self.body.items() if name != field})

    def split(self, most: int) -> list[EmbeddingRequest]:
        """Return requests of at most `most` inputs that together ask for the same, in order."""
        if len(self.inputs) <= most:
            return [self]
        parts = [self.inputs[start : start + most] for start in range(0, len(self.inputs), most)]
        return [replace(self, body={**self.body, "input": part}, inputs=part) for part in parts]

    def encode(self) -> bytes:
        """Return the JSON body for an upstream: every field of the client, with our `model`."""
        return json.dumps({**self.body, "model": self.model})


@final
@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of one request in the order of its inputs: numbers, or an upstream's answers as they came."""

    vectors: Sequence[Sequence[float]] = ()
    answers: Sequence[tuple[int, bytes]] = ()
    """Bodies of an upstream that answers in OpenAI's form, each with the number of its inputs; `vectors` is empty."""
    model: str = ""
    """Said with `vectors`; the request's where it is empty."""
    usage: Usage | None = None
    """Said with `vectors`; answers tell their own."""
    upstream_request_id: str = ""


def parse_embeddings(raw: bytes, *, request_id: str = "", hops: int = 0) -> EmbeddingRequest:
    """Read the body of a request for embeddings; raise InvalidRequest with the path of the first wrong field."""
    body = parse_object(raw)
    model = _model(body)
    inputs = _inputs(body)
    _check_options(body)
    return EmbeddingRequest(body, model, inputs, hops, request_id)


def _model(body: Mapping[str, Any]) -> str:
    if "model" not in body:
        _miss("model", "a non-empty string")
    model = body["model"]
    if model.__class__ is not str or not model:
        _refuse("model", "a non-empty string", model)
    if len(model) > _LONGEST_MODEL or not model.isprintable():
        _refuse("model", f"at most {_LONGEST_MODEL} printable characters", model)
    found: str = model
    return found


def _inputs(body: Mapping[str, Any]) -> Sequence[str | Sequence[int]]:
    if "input" not in body:
        _miss("input", _INPUT)
    given = body["input"]
    if given.__class__ is str and given:
        return [given]
    if given.__class__ is not list or not given:
        _refuse("input", f"{_INPUT}, and not empty", given)
    kind = given[0].__class__
    if kind is int:
        _check_tokens(given, "input")
        return [given]
    if len(given) > MOST_INPUTS:
        raise InvalidRequest(f"`input` must hold at most {MOST_INPUTS} inputs, found {len(given)}.", param="input")
    if kind is list:
        for position, tokens in enumerate(given):
            _check_tokens(tokens, f"input[{position}]")
    else:
        _check_texts(given, kind)
    found: list[str | Sequence[int]] = given
    return found


def _check_texts(given: list[Any], kind: type) -> None:
    if kind is not str:
        _refuse("input[0]", "a string, a token id or a list of token ids", given[0])
    for position, text in enumerate(given):
        if text.__class__ is not str or not text:
            _refuse(f"input[{position}]", "a non-empty string, as the first input is one", text)


def _check_tokens(tokens: Any, where: str) -> None:
    if tokens.__class__ is not list or not tokens:
        _refuse(where, "a non-empty list of token ids, as the first input is one", tokens)
    if set(map(type, tokens)) == {int} and min(tokens) >= 0:
        return
    for position, token in enumerate(tokens):
        if token.__class__ is not int or token < 0:
            _refuse(f"{where}[{position}]", "a token id, which is an integer of at least 0", token)


def _check_options(body: Mapping[str, Any]) -> None:
    form, dimensions, user = body.get("encoding_format"), body.get("dimensions"), body.get("user")
    if form is not None and form not in ("float", "base64"):
        _refuse("encoding_format", '"float" or "base64"', form)
    if dimensions is not None and (dimensions.__class__ is not int or dimensions < 1):
        _refuse("dimensions", "an integer of at least 1", dimensions)
    if user is not None and user.__class__ is not str:
        _refuse("user", "a string", user)


def _miss(where: str, expected: str) -> NoReturn:
    raise InvalidRequest(f"`{where}` is missing; it must be {expected}.", param=where)


def _refuse(where: str, expected: str, found: object) -> NoReturn:
    part = found[:_ENOUGH] if isinstance(found, str | list) else found
    raise InvalidRequest(f"`{where}` must be {expected}, found {excerpt(json.dumps(part).decode())}.", param=where)
