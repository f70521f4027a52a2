"""The nouns of a chat: what is asked, what comes back piece by piece, what comes back whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast, final

from llms.protocol import json
from llms.protocol.native import Native, Original
from llms.protocol.progress import Progress
from llms.protocol.shape import Shape
from llms.protocol.span import messages_span

ChunkObject = dict[str, Any]
"""One `chat.completion.chunk` as decoded JSON: `id, object, created, model, choices[{index, delta, finish_reason}]`."""

CompletionObject = dict[str, Any]
"""One `chat.completion` as decoded JSON: the same head, `choices[{index, message, finish_reason}]`, `usage`."""

FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})

_MODEL_KEYS: Final = frozenset({"id", "object", "created", "owned_by"})

StreamUsage = Literal["ask", "native", "none"]
"""How an upstream tells usage in a stream: asked by `stream_options`, by itself, or not at all."""


class ChatRequest(NamedTuple):
    """One chat completion request: the decoded body, whole and unchanged, and what routing reads of it."""

    body: Mapping[str, Any]
    model: str
    stream: bool = False
    include_usage: bool = False
    """The client asked for a usage chunk at the end of the stream."""
    hops: int = 0
    """How many `llms` nodes the request has passed; sent on as `x-llms-hops`."""
    request_id: str = ""
    raw: bytes | None = None
    """The body as it came, of large ones: their messages go on as they are."""
    progress: Progress | None = None
    """Where to write how far the answer is; None unless the client wants to know."""
    original: Original | None = None
    """The request in the client's own dialect, where that is another one: for targets that speak it."""
    cache_control: str = ""
    """What the client says of answers that are kept: the header Cache-Control, where the server keeps any."""
    running_usage: bool = False
    """The client asked for usage on every chunk (`stream_options.continuous_usage_stats`)."""

    def for_model(self, model: str) -> ChatRequest:
        """Return the same request under the upstream's own model id."""
        return self if model == self.model else self._replace(model=model)

    def encode(self, *, stream: bool, ask_usage: bool = False) -> bytes:
        """Return the JSON body for an upstream: every field of the client, with our `model` and `stream`.

        `ask_usage` adds `stream_options.include_usage`; other options of the client stay.
        """
        body: dict[str, Any] = {**self.body, "model": self.model}
        if stream:
            body["stream"] = True
            if ask_usage and not self.include_usage:
                body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        else:
            body.pop("stream_options", None)
            if "stream" in body:
                body["stream"] = False
        span = messages_span(self.raw, self.body) if self.raw is not None else None
        if self.raw is not None and span is not None:
            del body["messages"]
            return json.dumps_around("messages", memoryview(self.raw)[span[0] : span[1]], body)
        return json.dumps(body)


@final
class Chunk:
    """What one read of an upstream brought: one or more `chat.completion.chunk` objects, in order.

    An upstream that sends twenty events in one packet costs one chunk, one pass through the stages and one
    write. The bytes of each object are kept beside it, so relaying never encodes again; an object built
    here has none until somebody asks, and one that only repeats a known shape is decoded only then.
    """

    __slots__ = (
        "_bytes_of",
        "_objects",
        "count",
        "final",
        "native",
        "shape",
        "skipped",
        "upstream_request_id",
        "wire",
    )

    def __init__(
        self,
        objects: Sequence[ChunkObject | None],
        bytes_of: Sequence[bytes | None] | None = None,
        shape: Shape | None = None,
    ) -> None:
        """Keep `objects`, and in `bytes_of` the JSON text of each (without a raw line break) where it is known.

        An object may be None where its text is known and has the `shape`: it is decoded when somebody asks.
        """
        self._objects = objects
        self._bytes_of = bytes_of
        self.count = len(objects)
        """How many objects there are."""
        self.shape = shape
        """What some objects share with others of the stream, all but their text."""
        self.wire: bytes | None = None
        """The events as they came, where all of them have the shape."""
        self.final = False
        """Nothing follows: the upstream said so, or its stream ended."""
        self.skipped = 0
        """Malformed events of the upstream that were left out before this chunk."""
        self.upstream_request_id = ""
        """The upstream's own id of the request, on the first chunk where known."""
        self.native: Native | None = None
        """The answer in the client's own dialect, where the upstream speaks it; then there are no objects."""

    @classmethod
    def of(cls, *objects: ChunkObject) -> Chunk:
        """Make a chunk of objects that have no bytes yet."""
        return cls(objects)

    @classmethod
    def repeated(cls, shape: Shape, count: int, wire: bytes) -> Chunk:
        """Make a chunk of `count` events that all have a known shape; `wire` is all of them as they came."""
        chunk = cls((), None, shape)
        chunk.count = count
        chunk.wire = wire
        return chunk

    @classmethod
    def translated(cls, shape: Shape, data: bytes) -> Chunk | None:
        """Make a chunk of events in another dialect that all have a known shape; None where `data` is anything else."""
        chat, kept, texts = shape.chat, shape.kept, shape.texts(data)
        if chat is None or not texts:
            return None
        if kept is not None:
            kept.extend(texts)
        return cls.repeated(shape, len(texts), chat.wire(texts))

    @classmethod
    def passed(cls, native: Native) -> Chunk:
        """Make a chunk of what came in the client's own dialect."""
        chunk = cls(())
        chunk.count = native.events
        chunk.native = native
        return chunk

    @classmethod
    def joined(cls, chunks: Sequence[Chunk]) -> Chunk:
        """Return one chunk of all the objects of some of one stream."""
        if len(chunks) == 1:
            return chunks[0]
        shapes = [chunk.shape for chunk in chunks if chunk.shape is not None]
        whole = cls(
            [item for chunk in chunks for item in chunk.decoded],
            [text for chunk in chunks for text in chunk.bytes_of or [None] * chunk.count],
            shapes[0] if shapes else None,
        )
        whole.skipped = sum(chunk.skipped for chunk in chunks)
        whole.final = any(chunk.final for chunk in chunks)
        return whole

    @property
    def decoded(self) -> Sequence[ChunkObject | None]:
        """Return the objects as far as they are decoded; None for one that has the shape."""
        return self._objects or (None,) * self.count

    @property
    def objects(self) -> Sequence[ChunkObject]:
        """Return all objects."""
        if self.wire is not None or None in self._objects:
            payloads = self.payloads()
            decoded = self.decoded
            self._objects = [json.loads(payloads[at]) if item is None else item for at, item in enumerate(decoded)]
        return cast(Sequence[ChunkObject], self._objects)

    def decode(self, at: int) -> ChunkObject:
        """Return one object, leaving the others as they are."""
        payload = self.bytes_of[at] if self.bytes_of is not None else None
        item = self.decoded[at]
        return cast(ChunkObject, json.loads(payload) if item is None and payload is not None else item)

    @property
    def bytes_of(self) -> Sequence[bytes | None] | None:
        """Return the JSON text of each object where it is known."""
        if self._bytes_of is None and self.wire is not None:
            self._bytes_of = self.wire.removeprefix(b"data: ").removesuffix(b"\n\n").split(b"\n\ndata: ")
        return self._bytes_of

    def payloads(self) -> Sequence[bytes]:
        """Return the JSON text of each object, encoding those that have none."""
        known = self.bytes_of
        if known is None:
            return [json.dumps(item) for item in self._objects]
        return [json.dumps(self._objects[at]) if text is None else text for at, text in enumerate(known)]

    def __repr__(self) -> str:
        return f"Chunk({list(self.objects)!r})"


UsageSource = Literal["reported", "estimated", "unknown", "shared", "cached"]


class Usage(NamedTuple):
    """Tokens of one request; `reported` by the upstream, `estimated` by us, or `unknown`: never mixed.

    None were spent on a request whose answer was `shared` with another one, or `cached`.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = "unknown"
    written_tokens: int = 0
    """Tokens of the prompt that were put into the upstream's cache."""

    @classmethod
    def of(cls, usage: object) -> Usage | None:
        """Read an OpenAI `usage` object; None when there is nothing to read."""
        if not isinstance(usage, dict):
            return None
        asked, said = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
        return cls(
            _count(usage, "prompt_tokens"),
            _count(usage, "completion_tokens"),
            _count(asked, "cached_tokens") if asked else 0,
            _count(said, "reasoning_tokens") if said else 0,
            "reported",
            _count(asked, "cache_write_tokens") if asked else 0,
        )


def _count(holder: object, key: str) -> int:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


class Completion(NamedTuple):
    """One whole answer and its bytes, unknown fields included."""

    object: CompletionObject
    payload: bytes
    native: Native | None = None
    """The answer in the client's own dialect, where the upstream speaks it; then the others are empty."""

    @property
    def usage(self) -> Usage | None:
        """Return the upstream's usage, if it told any."""
        return Usage.of(self.object.get("usage")) if self.native is None else self.native.usage


@final
@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model that a provider lists; `extra` holds what else is known (context window, modalities, price)."""

    id: str
    owned_by: str = ""
    created: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, item: Mapping[str, Any], *, owner: str) -> ModelInfo:
        """Read an entry of an upstream's list, called `name` there; what is not OpenAI's goes into `extra`."""
        created = item.get("created")
        return cls(
            name,
            owned_by=str(item.get("owned_by") or owner),
            created=created if isinstance(created, int) else 0,
            extra={key: value for key, value in item.items() if key not in _MODEL_KEYS},
        )
