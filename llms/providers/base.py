"""The provider seam: what an upstream must do, may do, and is given.

A provider is any object with `chat` and `models`; nothing is inherited. More abilities are small protocols
of their own, found by looking (`isinstance`), never demanded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

from llms.protocol.chat import ChatRequest, Chunk, ModelInfo
from llms.protocol.embeddings import EmbeddingRequest, Embeddings
from llms.protocol.local import ModelState
from llms.protocol.native import Original
from llms.protocol.passthrough import Passed, PassRequest
from llms.protocol.progress import Progress
from llms.protocol.shape import Passable

if TYPE_CHECKING:
    import aiohttp

    from llms.providers._pool import Pool

__all__ = [
    "ChatRequest",
    "Chunk",
    "EmbeddingRequest",
    "Embeddings",
    "Lane",
    "ModelInfo",
    "ModelState",
    "NeedsBytes",
    "PassRequest",
    "Passed",
    "Provider",
    "ProviderFactory",
    "ProviderSettings",
    "Relay",
    "Resources",
    "SupportsClose",
    "SupportsCounting",
    "SupportsDialects",
    "SupportsEmbeddings",
    "SupportsLoading",
    "SupportsPassthrough",
    "SupportsRelay",
    "SupportsSlots",
    "SupportsStoredResponses",
]


class Provider(Protocol):
    """One upstream. Nothing to inherit, two things to do."""

    def chat(self, request: ChatRequest, *, stream: bool = True) -> AsyncGenerator[Chunk, None]:
        """Yield OpenAI chunks; raise an LlmsError; stop the upstream's work on aclose().

        `request.model` is the upstream's own model id. stream=False asks the upstream for one whole answer
        and yields it as one chunk, whose single object is a `chat.completion` (or chunks: they are folded).
        The stream ends when the generator ends; whether it ended with a finish reason is checked by the
        gateway, as are roles, tool-call indices, ids and the place of usage.
        """
        ...

    async def models(self) -> Sequence[ModelInfo]:
        """List what the upstream serves; raise an LlmsError when it cannot tell."""
        ...


@runtime_checkable
class SupportsClose(Protocol):
    """A provider that holds something which must be let go at the end."""

    async def close(self) -> None:
        """Release connections, threads, models."""
        ...


@runtime_checkable
class SupportsDialects(Protocol):
    """A provider whose upstream speaks other dialects than chat completions, too."""

    def speaks(self, original: Original, model: str) -> bool:
        """Tell whether `chat` sends a request to a model on as it stands in the client's dialect."""
        ...


@runtime_checkable
class SupportsEmbeddings(Protocol):
    """A provider that turns texts into vectors."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return a vector for each of `request.inputs`, in order; raise an LlmsError; stop the work when cancelled.

        `request.model` is the upstream's own model id. The form of the vectors on the wire is the gateway's
        business, and so are their number and, for vectors of one's own, `request.dimensions`. NotSupported is for
        a model, or a kind of input, that there are no vectors for.
        """
        ...


class Lane(Protocol):
    """Where reads of a stream go that need not even be parsed."""

    def take(self, data: bytes, /) -> bool:
        """Pass on one whole HTTP chunk, as it was read; False, and nothing done, for anything else."""
        ...


class Relay(Protocol):
    """Where bytes of a stream go that need not become chunks, past everybody who waits for the next chunk."""

    @property
    def lane(self) -> Lane | None:
        """Return where reads may go before their framing is off; None where they cannot."""
        ...

    def expect(self, shape: Passable | None) -> None:
        """Hear, before each wait, of which shape whole events may come that nobody has to see; None for nothing."""
        ...

    def take(self, data: bytes) -> bool:
        """Pass on what one read brought during the wait; False for what must come as a chunk, then or later."""
        ...


@runtime_checkable
class SupportsRelay(Protocol):
    """A provider that can let what only repeats go on without waking the one who reads the stream."""

    def relay(self, request: ChatRequest, relay: Relay) -> AsyncGenerator[Chunk, None]:
        """Do as `chat` does for a stream, but offer what arrives during a wait to `relay` first.

        It is offered synchronously and in order: after something was refused, the next wait is another one.
        """
        ...


@runtime_checkable
class SupportsCounting(Protocol):
    """A provider that knows how many tokens a request has without answering it."""

    async def count_tokens(self, request: ChatRequest) -> int | None:
        """Return the tokens of a request; None where it cannot tell. Raise an LlmsError; stop when cancelled."""
        ...


@runtime_checkable
class SupportsPassthrough(Protocol):
    """A provider that hands other requests on as they are: audio, images, moderations, rankings, files."""

    def passes(self, request: PassRequest) -> bool:
        """Tell whether the upstream has such a route at all; what it says to the request is another matter."""
        ...

    async def pass_on(self, request: PassRequest) -> Passed:
        """Return the answer as soon as its head is there; raise an LlmsError, for a refusal too.

        `request.model` is the upstream's own model id, or empty. Stop the work when cancelled.
        """
        ...


@runtime_checkable
class SupportsStoredResponses(Protocol):
    """A provider whose upstream keeps responses of its own."""

    def stored(self, method: str, path: str, query: str, *, hops: int) -> AsyncGenerator[bytes, None]:
        """Yield the answer to `GET responses/{id}` and the like: one body, or whole events; raise an LlmsError.

        `hops` is how many `llms` nodes the question has passed.
        """
        ...


@runtime_checkable
class SupportsSlots(Protocol):
    """A provider whose models answer only so many requests at once."""

    def slots(self, model: str) -> int | None:
        """Return how many requests a model takes at once; None for no such limit, or for an unknown model."""
        ...


@runtime_checkable
class NeedsBytes(Protocol):
    """A provider whose upstream fetches no links: pictures and files have to come as `data:` URLs."""

    def needs_bytes(self, model: str) -> bool:
        """Tell whether links in a chat with a model must be replaced before `chat` is called."""
        ...


@runtime_checkable
class SupportsLoading(Protocol):
    """A provider that holds models in memory. `model` is its own model id, and ModelNotFound is for unknown ones."""

    async def load(self, model: str, progress: Progress | None = None) -> None:
        """Bring a model into memory, unloading others for it; return when it is there. Raise an LlmsError."""
        ...

    async def unload(self, model: str) -> None:
        """Free a model's memory; nothing happens when it is not loaded. Raise Conflict while it is in use."""
        ...

    def loaded(self) -> Sequence[ModelState]:
        """Return the models that are in memory or on their way there, and those that failed to get there."""
        ...


@final
@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One validated row of providers.yaml."""

    name: str
    type: str
    options: Any = field(repr=False)
    """The row's own keys: an instance of the provider module's `Options`."""
    connect_timeout: float = 10.0
    max_event: int = 16 * 2**20
    """Bytes that one upstream event may have."""
    max_answer: int = 64 * 2**20
    """Bytes that one whole upstream answer may have."""


def _new_pool() -> Pool:
    import time

    from llms.providers._pool import Pool

    return Pool(clock=time.monotonic)


@final
@dataclass(frozen=True, slots=True)
class Resources:
    """What the application lends to a provider."""

    http: Callable[[], aiohttp.ClientSession]
    """The shared HTTP session: no cookies, no proxy environment, no timeouts; opened when first asked for."""
    clock: Callable[[], float]
    """Monotonic seconds."""
    now: Callable[[], float]
    """Unix seconds."""
    environ: Mapping[str, str] = field(default_factory=dict)
    pool: Pool = field(default_factory=_new_pool)
    """Plain connections to upstreams, for the providers whose chunks must cost next to nothing."""


ProviderFactory = Callable[[ProviderSettings, Resources], Provider]
"""What a registry row or an entry point of the group `llms.providers` names; each provider file ends with
`_: ProviderFactory = ItsClass`, so that a type checker refuses drift. The factory's module also has
`Options`: a section (`llms.config.section`) or a pydantic model (extra="forbid") of the row's own keys."""
