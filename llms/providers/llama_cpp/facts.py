"""What is known of a model before it is loaded: what the head of its file says, in our words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from llms.protocol.errors import excerpt
from llms.providers.llama_cpp.gguf import BadFile, Header, Left, Value, read_header

_QUANTIZATIONS: Final[Mapping[int, str]] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4",
    40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""Names of llama.cpp's file types."""
_GUESSED: Final = 1024
"""Is added to a file type that was guessed."""
_POOLINGS: Final = ("none", "mean", "cls", "last", "rank")
_EMBEDDING_POOLINGS: Final = frozenset({"mean", "cls", "last"})
_ENCODERS: Final = frozenset(
    {
        "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "eurobert",
        "gemma-embedding", "t5encoder", "llama-embed",
    }
)  # fmt: skip
"""Architectures that read a text as a whole and write none."""
_NO_LANGUAGE: Final = frozenset({"clip", "adapter", "imatrix", "whisper", "wavtokenizer-dec"})
_EVERY: Final[Mapping[str, int]] = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "cohere2": 4}
"""Of so many layers, one sees the whole context and the others a window of it; that is not always in the file."""

_MOST_LAYERS: Final = 4096
_LARGEST: Final = 2**31 - 1


@final
@dataclass(frozen=True, slots=True)
class Facts:
    """What a model's file says of it; 0, "" and () where it does not."""

    architecture: str
    name: str
    license: str
    quantization: str
    """For example Q4_K_M."""
    size: int
    """Bytes of all files of the model."""
    parameters: int
    context_length: int
    """Tokens that it was trained for."""
    vocabulary: int
    """Tokens that it knows."""
    width: int
    """Numbers of one embedding."""
    inner_width: int
    """Numbers of the widest layer inside."""
    cells: tuple[int, ...]
    """For each layer, the numbers that the context keeps of one token."""
    window: int
    """Tokens that a layer with a window looks back; 0 where none has one."""
    windowed: tuple[bool, ...]
    """For each layer, whether it has a window."""
    pooling: str
    is_encoder: bool
    """Reads a text as a whole and keeps no context."""
    has_chat_template: bool

    @property
    def is_embedding(self) -> bool:
        """Tell whether the model is made for embeddings."""
        return self.pooling in _EMBEDDING_POOLINGS or (self.is_encoder and self.pooling != "rank")

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Return what may be asked of the model: `chat`, `embeddings` or nothing that is served here."""
        if self.is_embedding:
            return ("embeddings",)
        return () if self.is_encoder or self.pooling == "rank" else ("chat",)


def read_facts(parts: Sequence[Path]) -> Facts:
    """Read the files of one model, the first of which has the metadata; raise BadFile with the reason."""
    headers = [_header(part, several=len(parts) > 1) for part in parts]
    facts = _facts(headers[0], headers)
    if facts.architecture in _NO_LANGUAGE:
        raise BadFile(f"it is no language model but of the kind {facts.architecture!r}")
    if not any(header.tensors for header in headers):
        raise BadFile("it has no weights, only a vocabulary")
    return facts


def _header(part: Path, *, several: bool) -> Header:
    try:
        return read_header(part)
    except BadFile as reason:
        if not several:
            raise
        raise BadFile(f"its part {excerpt(part.name)}: {reason}") from None


def _facts(first: Header, headers: Sequence[Header]) -> Facts:
    values = _Values(first.values)
    layers = values.count("block_count", most=_MOST_LAYERS)
    pooling = values.count("pooling_type", most=len(_POOLINGS) - 1, lacking=-1)
    window = values.count("attention.sliding_window")
    return Facts(
        architecture=values.architecture,
        name=values.text("general.name"),
        license=values.text("general.license"),
        quantization=_quantization(first.values.get("general.file_type")),
        size=sum(header.size for header in headers),
        parameters=sum(header.parameters for header in headers),
        context_length=values.count("context_length"),
        vocabulary=values.vocabulary(),
        width=values.count("embedding_length"),
        inner_width=max(values.per_layer("feed_forward_length", layers), default=0),
        cells=_cells(values, layers),
        window=window,
        windowed=_windowed(values, layers) if window else (False,) * layers,
        pooling=_POOLINGS[pooling] if pooling >= 0 else "",
        is_encoder=values.architecture in _ENCODERS,
        has_chat_template="tokenizer.chat_template" in first.values,
    )


@final
class _Values:
    """Metadata by the names without the architecture; what is of another kind or beyond reason counts as lacking."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values
        self.architecture = self.text("general.architecture")

    def text(self, key: str) -> str:
        value = self._values.get(key)
        return excerpt(value).strip() if isinstance(value, str) else ""

    def raw(self, name: str) -> Value | None:
        return self._values.get(f"{self.architecture}.{name}")

    def count(self, name: str, *, most: int = _LARGEST, lacking: int = 0) -> int:
        return _whole(self.raw(name), most=most, lacking=lacking)

    def per_layer(self, name: str, layers: int) -> tuple[int, ...]:
        """Return a count that is the same for all layers, or one for each."""
        value = self.raw(name)
        if isinstance(value, tuple):
            counts = tuple(_whole(each) for each in value[:layers])
            return counts + (max(counts, default=0),) * (layers - len(counts))
        return (_whole(value),) * layers

    def vocabulary(self) -> int:
        tokens = self._values.get("tokenizer.ggml.tokens")
        return self.count("vocab_size") or (tokens.length if isinstance(tokens, Left) else 0)


def _whole(value: Any, *, most: int = _LARGEST, lacking: int = 0) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return int(value) if fits else lacking


def _cells(values: _Values, layers: int) -> tuple[int, ...]:
    """Return the numbers kept of a token in each layer: a key and a value for each head that has its own."""
    heads = values.per_layer("attention.head_count", layers)
    own = values.per_layer("attention.head_count_kv", layers) if values.raw("attention.head_count_kv") else heads
    usual = values.count("embedding_length") // max(1, max(heads, default=1))
    length = values.count("attention.key_length", lacking=usual) + values.count("attention.value_length", lacking=usual)
    return tuple(each * length for each in own)


def _windowed(values: _Values, layers: int) -> tuple[bool, ...]:
    """Tell which layers have a window, as the file or else the architecture says; with neither, none: the safe side."""
    pattern = values.raw("attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        return tuple(bool(each) for each in pattern[:layers]) + (False,) * (layers - len(pattern))
    every = _whole(pattern) or _EVERY.get(values.architecture, 1)
    return tuple((layer + 1) % every != 0 for layer in range(layers))


def _quantization(kind: Value | None) -> str:
    return _QUANTIZATIONS.get(_whole(kind, lacking=-1) & ~_GUESSED, "") if _whole(kind, lacking=-1) >= 0 else ""
