"""Say what providers.yaml means: every section with its keys, their kinds and defaults.

After validation durations are seconds (float) and sizes are bytes (int). The keys of a provider row that are
its provider's own stay in `ProviderRow.options`; whoever validates them knows the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from llms.config.names import StatePlace, TargetName, UsagePlace
from llms.config.problems import Path
from llms.config.units import Duration, Size
from llms.config.values import Choice, Flag, Refusal, Secret, Text, Whole

Strategy = Literal["ordered", "weighted", "round_robin", "least_busy", "fastest"]
STRATEGIES: tuple[Strategy, ...] = ("ordered", "weighted", "round_robin", "least_busy", "fastest")

ATTACHMENTS = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
"""Types that are known by their first bytes."""

Boolean = Annotated[bool, Flag()]
Seconds = Annotated[float, Duration()]
PositiveSeconds = Annotated[float, Duration(positive=True)]
Bytes = Annotated[int, Size()]
Count = Annotated[int, Whole()]
Texts = tuple[Annotated[str, Text()], ...]


class Section(BaseModel):
    """A mapping of the file; one that is written without content means its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _accept_nothing(cls, raw: Any) -> Any:
        return {} if raw is None else raw


class Timeouts(Section):
    """How long an upstream may take, in seconds."""

    connect: PositiveSeconds = Field(default=10.0, description="Until the connection stands.")
    first_chunk: PositiveSeconds = Field(default=120.0, description="Until the first chunk of a stream.")
    answer: PositiveSeconds = Field(default=600.0, description="Until a whole answer that is not streamed.")
    idle: PositiveSeconds = Field(default=60.0, description="Between two chunks of a stream.")
    total: PositiveSeconds = Field(default=1800.0, description="For a request with all its attempts.")


class Limits(Section):
    """How much of a provider may be used at once."""

    concurrency: Count = Field(default=0, description="Requests at once; 0 is unlimited.")
    queue: Count = Field(default=256, description="Requests that may wait for their turn.")
    max_event: Bytes = Field(default=16 * 2**20, description="The largest single event of an upstream's stream.")


class Conduct(Section):
    """How the gateway treats a provider: the six keys of `defaults` that may stand in its row too."""

    timeouts: Timeouts = Timeouts()
    retries: Annotated[int, Whole(maximum=100)] = Field(default=2, description="More attempts at the same target.")
    max_retry_after: Seconds = Field(default=10.0, description="The longest Retry-After that is waited for.")
    cooldown: Seconds = Field(default=30.0, description="How long a failing target is left alone.")
    heartbeat: Seconds = Field(default=15.0, description="Between two signs of life on a silent stream; 0 is none.")
    limits: Limits = Limits()


class Defaults(Conduct):
    """What holds for every provider, and the model for requests that name an unknown one."""

    model: Annotated[str | None, Text(optional=True)] = Field(
        default=None, description="Answers requests for unknown models; null answers 404."
    )


class ProviderRow(Conduct):
    """One configured upstream: its own keys, and the six of `Conduct` with the defaults merged in."""

    name: str
    type: Annotated[str, Text()]
    options: Mapping[str, Any] = Field(default_factory=dict, repr=False)


class Server(Section):
    """Where and how the server listens."""

    host: Annotated[str, Text()] = Field(default="127.0.0.1", description="The address to listen on.")
    port: Annotated[int, Whole(maximum=65535)] = Field(default=8000, description="The port; 0 takes a free one.")
    workers: Annotated[int, Whole(minimum=1, maximum=256)] = Field(default=1, description="Server processes.")
    max_body: Bytes = Field(default=64 * 2**20, description="The largest request body.")
    max_upload: Bytes = Field(
        default=512 * 2**20, description="The largest form that is passed on: audio, images, files."
    )
    drain: Seconds = Field(default=30.0, description="How long open streams may finish after SIGTERM.")
    allowed_hosts: Texts = Field(default=(), description="Further names in the Host header that are answered.")
    cors_origins: Texts = Field(default=(), description="Web origins whose pages may call the API.")
    fast_path: Boolean = Field(
        default=True, description="Pass plain chunks on as they arrive, past all layers; false: for comparison."
    )
    data_dir: Annotated[str | None, Text(optional=True)] = Field(
        default=None, description="Where usage and pulled models are kept; LLMS_DATA_DIR overrides it."
    )


class Target(Section):
    """A provider with an upstream model id; as plain text it weighs 1."""

    target: Annotated[str, TargetName()] = Field(description="provider/model")
    weight: Count = Field(default=1, description="The share of requests, for the strategy weighted.")

    @model_validator(mode="before")
    @classmethod
    def _accept_text(cls, raw: Any) -> Any:
        if raw is not None and not isinstance(raw, (str, dict, Target)):
            raise Refusal('must be "provider/model" or {target: "provider/model", weight: 1}')
        return {"target": raw} if isinstance(raw, str) else raw


def _some_weight(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    if not targets:
        raise Refusal("needs at least one target", 'write ["provider/model"]')
    if not any(target.weight for target in targets):
        raise Refusal("all weights are 0", "give one target a weight of 1 or more")
    return targets


class Cache(Section):
    """How long answers are kept for the same request to be asked again, and how many."""

    ttl: PositiveSeconds = Field(default=600.0, description="How long an answer is kept.")
    max_size: Annotated[int, Size()] = Field(default=64 * 2**20, description="The most that is kept of the model's.")


class ModelRow(Section):
    """A name that clients use, and what answers it."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_short_form(cls, raw: Any) -> Any:
        if isinstance(raw, (str, list)):
            raise Refusal("must be a mapping", 'write {targets: ["provider/model"]}')
        return raw

    targets: Annotated[tuple[Target, ...], AfterValidator(_some_weight)] = Field(
        description="Tried in the order that the strategy gives."
    )
    strategy: Annotated[Strategy, Choice(STRATEGIES)] = Field(default="ordered", description="Which target is first.")
    on_context_overflow: Annotated[str | None, TargetName(optional=True)] = Field(
        default=None, description="The target for requests that are too long for the others."
    )
    single_flight: Boolean = Field(
        default=False, description="Equal requests at temperature 0 that run at once ask the upstream once."
    )
    cache: Cache | None = Field(default=None, description="Keep answers at temperature 0; null keeps none.")


def _without_empty(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    return tuple(key for key in keys if key.get_secret_value())


class Keys(Section):
    """Which requests need a key."""

    required: Annotated[Literal["auto"] | bool, Flag(word="auto")] = Field(
        default="auto", description="auto: off on loopback; on elsewhere, or as soon as there is a key."
    )
    static: Annotated[tuple[Annotated[SecretStr, Secret()], ...], AfterValidator(_without_empty)] = Field(
        default=(), description="Keys that are accepted; empty ones are dropped and never match."
    )


class Stores(Section):
    """Where things are kept."""

    usage: Annotated[str, UsagePlace()] = Field(default="sqlite", description="sqlite, sqlite:///PATH or none.")
    state: Annotated[str, StatePlace()] = Field(default="memory", description="memory, or redis://HOST:PORT/DB.")


class Resume(Section):
    """How long an interrupted stream can be taken up again, and what that may take."""

    grace: Seconds = Field(default=60.0, description="How long a stream runs on without its client.")
    keep: Seconds = Field(default=300.0, description="How long a finished stream can be replayed.")
    buffer: Bytes = Field(default=8 * 2**20, description="The most that is kept of one stream.")
    memory: Bytes = Field(default=256 * 2**20, description="The most that is kept of all streams together.")
    streams: Count = Field(default=1000, description="Resumable streams under way at once.")
    streams_per_caller: Count = Field(default=200, description="Those of one key.")

    def share_of(self, count: int) -> Resume:
        """Return the part of one of so many workers, which keep their streams each for itself."""
        streams, of_caller = -(-self.streams // count), -(-self.streams_per_caller // count)
        part = {"memory": self.memory // count, "streams": streams, "streams_per_caller": of_caller}
        return self.model_copy(update=part)


class Responses(Section):
    """What is kept of answers of the Responses API, for their clients to fetch and to continue."""

    store: Boolean = Field(default=True, description="Keep what clients do not ask to forget; false keeps nothing.")
    keep: PositiveSeconds = Field(default=720 * 3600.0, description="How long a response is kept.")
    max: Annotated[int, Whole(minimum=1)] = Field(default=10_000, description="The most that are kept.")
    max_size: Bytes = Field(default=2**30, description="The most that they take together.")


class Batch(Section):
    """How many small chunks become one write."""

    max_tokens: Count = Field(default=5, description="Chunks that are collected; 0 or 1 sends each at once.")
    max_ms: Annotated[float, Duration(bare="ms")] = Field(
        default=0.1, description="The longest that a chunk waits; a bare number is milliseconds here."
    )


class Attachments(Section):
    """Links to pictures and files in requests, for providers that take bytes only."""

    fetch: Boolean = Field(default=False, description="Fetch them; otherwise such requests are refused with 400.")
    max_bytes: Bytes = Field(default=20 * 2**20, description="The most that is fetched for one request.")
    timeout: PositiveSeconds = Field(default=20.0, description="For all that is fetched for one request.")
    types: tuple[Annotated[str, Choice(ATTACHMENTS)], ...] = Field(
        default=ATTACHMENTS, description="What may be fetched, told by its first bytes."
    )
    allow_hosts: Texts = Field(
        default=(),
        description="The only hosts asked, as example.com or *.example.com; none is any public one.",
    )


class Ui(Section):
    """The web chat."""

    enabled: Boolean = True
    streaming: Annotated[Literal["resumable", "plain", "off"], Choice(("resumable", "plain", "off"))] = Field(
        default="resumable", description="How answers reach the page; off sends them whole."
    )


SECTIONS: Mapping[str, type[Section]] = {
    "server": Server,
    "defaults": Defaults,
    "keys": Keys,
    "stores": Stores,
    "resume": Resume,
    "responses": Responses,
    "batch": Batch,
    "attachments": Attachments,
    "ui": Ui,
}
"""The sections of the file that have a fixed set of keys."""


class Config(BaseModel):
    """A whole configuration, checked and merged."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    discover: bool = False
    server: Server = Server()
    defaults: Defaults = Defaults()
    providers: dict[str, ProviderRow] = Field(default_factory=dict)
    models: dict[str, ModelRow] = Field(default_factory=dict)
    keys: Keys = Keys()
    stores: Stores = Stores()
    resume: Resume = Resume()
    responses: Responses = Responses()
    batch: Batch = Batch()
    attachments: Attachments = Attachments()
    ui: Ui = Ui()
    skipped: dict[str, str] = Field(default_factory=dict)
    """Providers that are left out, with the reason: `needs OPENAI_API_KEY`, `disabled`."""
    left_out: dict[str, ProviderRow] = Field(default_factory=dict, repr=False)
    """The rows of those; where a variable is missing, the text stands as it was written."""
    notes: tuple[str, ...] = ()
    """What is no error and still worth a line at the start."""
    source: str | None = None
    """The path of the file, None without one."""
    secret_paths: frozenset[Path] = Field(default_factory=frozenset, repr=False)
    """Values that came from a variable with a telling name; `masked` hides them wherever they stand."""
