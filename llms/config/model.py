"""Say what providers.yaml means: every section with its keys, their kinds and defaults.

After validation durations are seconds (float) and sizes are bytes (int). The keys of a provider row that are
its provider's own stay in `ProviderRow.options`; whoever validates them knows the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from llms.config.names import StatePlace, TargetName, UsagePlace
from llms.config.problems import Path
from llms.config.secret import SecretStr
from llms.config.section import Section, field
from llms.config.units import Duration, Size
from llms.config.values import Anything, Choice, Flag, Refusal, Secret, Text, Whole

Strategy = Literal["ordered", "weighted", "round_robin", "least_busy", "fastest"]
STRATEGIES: tuple[Strategy, ...] = ("ordered", "weighted", "round_robin", "least_busy", "fastest")

STREAMING: tuple[Literal["resumable", "plain", "off"], ...] = ("resumable", "plain", "off")

ATTACHMENTS = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
"""Types that are known by their first bytes."""

Boolean = Annotated[bool, Flag()]
Seconds = Annotated[float, Duration()]
PositiveSeconds = Annotated[float, Duration(positive=True)]
Bytes = Annotated[int, Size()]
Count = Annotated[int, Whole()]
Texts = tuple[Annotated[str, Text()], ...]


class Timeouts(Section):
    """How long an upstream may take, in seconds."""

    connect: PositiveSeconds = field(default=10.0, description="Until the connection stands.")
    first_chunk: PositiveSeconds = field(default=120.0, description="Until the first chunk of a stream.")
    answer: PositiveSeconds = field(default=600.0, description="Until a whole answer that is not streamed.")
    idle: PositiveSeconds = field(default=60.0, description="Between two chunks of a stream.")
    total: PositiveSeconds = field(default=1800.0, description="For a request with all its attempts.")


class Limits(Section):
    """How much of a provider may be used at once."""

    concurrency: Count = field(default=0, description="Requests at once; 0 is unlimited.")
    queue: Count = field(default=256, description="Requests that may wait for their turn.")
    max_event: Bytes = field(default=16 * 2**20, description="The largest single event of an upstream's stream.")


class Conduct(Section):
    """How the gateway treats a provider: the six keys of `defaults` that may stand in its row too."""

    timeouts: Timeouts = Timeouts()
    retries: Annotated[int, Whole(maximum=100)] = field(default=2, description="More attempts at the same target.")
    max_retry_after: Seconds = field(default=10.0, description="The longest Retry-After that is waited for.")
    cooldown: Seconds = field(default=30.0, description="How long a failing target is left alone.")
    heartbeat: Seconds = field(default=15.0, description="Between two signs of life on a silent stream; 0 is none.")
    limits: Limits = Limits()


class Defaults(Conduct):
    """What holds for every provider, and the model for requests that name an unknown one."""

    model: Annotated[str | None, Text(optional=True)] = field(
        default=None, description="Answers requests for unknown models; null answers 404."
    )


class ProviderRow(Conduct):
    """One configured upstream: its own keys, and the six of `Conduct` with the defaults merged in."""

    name: str
    type: Annotated[str, Text()]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Server(Section):
    """Where and how the server listens."""

    host: Annotated[str, Text()] = field(default="127.0.0.1", description="The address to listen on.")
    port: Annotated[int, Whole(maximum=65535)] = field(default=8000, description="The port; 0 takes a free one.")
    workers: Annotated[int, Whole(minimum=1, maximum=256)] = field(default=1, description="Server processes.")
    max_body: Bytes = field(default=64 * 2**20, description="The largest request body.")
    max_upload: Bytes = field(
        default=512 * 2**20, description="The largest form that is passed on: audio, images, files."
    )
    drain: Seconds = field(default=30.0, description="How long open streams may finish after SIGTERM.")
    allowed_hosts: Texts = field(default=(), description="Further names in the Host header that are answered.")
    cors_origins: Texts = field(default=(), description="Web origins whose pages may call the API.")
    fast_path: Boolean = field(
        default=True, description="Pass plain chunks on as they arrive, past all layers; false: for comparison."
    )
    data_dir: Annotated[str | None, Text(optional=True)] = field(
        default=None, description="Where usage and pulled models are kept; LLMS_DATA_DIR overrides it."
    )


class Target(Section):
    """A provider with an upstream model id; as plain text it weighs 1."""

    target: Annotated[str, TargetName()] = field(description="provider/model")
    weight: Count = field(default=1, description="The share of requests, for the strategy weighted.")

    @classmethod
    def prepared(cls, raw: Any) -> Any:
        if not isinstance(raw, (str, dict)):
            raise Refusal('must be "provider/model" or {target: "provider/model", weight: 1}')
        return {"target": raw} if isinstance(raw, str) else raw

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"anyOf": [cls.fields()["target"].schema(), super().schema()]}


def _some_weight(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    if not targets:
        raise Refusal("needs at least one target", 'write ["provider/model"]')
    if not any(target.weight for target in targets):
        raise Refusal("all weights are 0", "give one target a weight of 1 or more")
    return targets


class Cache(Section):
    """How long answers are kept for the same request to be asked again, and how many."""

    ttl: PositiveSeconds = field(default=600.0, description="How long an answer is kept.")
    max_size: Annotated[int, Size()] = field(default=64 * 2**20, description="The most that is kept of the model's.")


class ModelRow(Section):
    """A name that clients use, and what answers it."""

    @classmethod
    def prepared(cls, raw: Any) -> Any:
        if isinstance(raw, (str, list)):
            raise Refusal("must be a mapping", 'write {targets: ["provider/model"]}')
        return raw

    targets: Annotated[tuple[Target, ...], _some_weight] = field(
        description="Tried in the order that the strategy gives."
    )
    strategy: Annotated[Strategy, Choice(STRATEGIES)] = field(default="ordered", description="Which target is first.")
    on_context_overflow: Annotated[str | None, TargetName(optional=True)] = field(
        default=None, description="The target for requests that are too long for the others."
    )
    single_flight: Boolean = field(
        default=False, description="Equal requests at temperature 0 that run at once ask the upstream once."
    )
    cache: Cache | None = field(default=None, description="Keep answers at temperature 0; null keeps none.")


def _without_empty(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    return tuple(key for key in keys if key.get_secret_value())


class Keys(Section):
    """Which requests need a key."""

    required: Annotated[Literal["auto"] | bool, Flag(word="auto")] = field(
        default="auto", description="auto: off on loopback; on elsewhere, or as soon as there is a key."
    )
    static: Annotated[tuple[Annotated[SecretStr, Secret()], ...], _without_empty] = field(
        default=(), description="Keys that are accepted; empty ones are dropped and never match."
    )


class Stores(Section):
    """Where things are kept."""

    usage: Annotated[str, UsagePlace()] = field(default="sqlite", description="sqlite, sqlite:///PATH or none.")
    state: Annotated[str, StatePlace()] = field(default="memory", description="memory, or redis://HOST:PORT/DB.")


class Resume(Section):
    """How long an interrupted stream can be taken up again, and what that may take."""

    grace: Seconds = field(default=60.0, description="How long a stream runs on without its client.")
    keep: Seconds = field(default=300.0, description="How long a finished stream can be replayed.")
    buffer: Bytes = field(default=8 * 2**20, description="The most that is kept of one stream.")
    memory: Bytes = field(default=256 * 2**20, description="The most that is kept of all streams together.")
    streams: Count = field(default=1000, description="Resumable streams under way at once.")
    streams_per_caller: Count = field(default=200, description="Those of one key.")

    def share_of(self, count: int) -> Resume:
        """Return the part of one of so many workers, which keep their streams each for itself."""
        streams, of_caller = -(-self.streams // count), -(-self.streams_per_caller // count)
        part = {"memory": self.memory // count, "streams": streams, "streams_per_caller": of_caller}
        return self.changed(**part)


class Responses(Section):
    """What is kept of answers of the Responses API, for their clients to fetch and to continue."""

    store: Boolean = field(default=True, description="Keep what clients do not ask to forget; false keeps nothing.")
    keep: PositiveSeconds = field(default=720 * 3600.0, description="How long a response is kept.")
    max: Annotated[int, Whole(minimum=1)] = field(default=10_000, description="The most that are kept.")
    max_size: Bytes = field(default=2**30, description="The most that they take together.")


class Batch(Section):
    """How many small chunks become one write."""

    max_tokens: Count = field(default=5, description="Chunks that are collected; 0 or 1 sends each at once.")
    max_ms: Annotated[float, Duration(bare="ms")] = field(
        default=0.1, description="The longest that a chunk waits; a bare number is milliseconds here."
    )


class Attachments(Section):
    """Links to pictures and files in requests, for providers that take bytes only."""

    fetch: Boolean = field(default=False, description="Fetch them; otherwise such requests are refused with 400.")
    max_bytes: Bytes = field(default=20 * 2**20, description="The most that is fetched for one request.")
    timeout: PositiveSeconds = field(default=20.0, description="For all that is fetched for one request.")
    types: tuple[Annotated[str, Choice(ATTACHMENTS)], ...] = field(
        default=ATTACHMENTS, description="What may be fetched, told by its first bytes."
    )
    allow_hosts: Texts = field(
        default=(),
        description="The only hosts asked, as example.com or *.example.com; none is any public one.",
    )


class Ui(Section):
    """The web chat."""

    enabled: Boolean = True
    streaming: Annotated[Literal["resumable", "plain", "off"], Choice(STREAMING)] = field(
        default="resumable",
        description="How answers reach the page; off sends them whole to whoever does not switch streaming on there.",
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


class Config(Section):
    """A whole configuration, checked and merged."""

    discover: bool = False
    server: Server = Server()
    defaults: Defaults = Defaults()
    providers: dict[str, ProviderRow] = field(default_factory=dict)
    models: dict[str, ModelRow] = field(default_factory=dict)
    keys: Keys = Keys()
    stores: Stores = Stores()
    resume: Resume = Resume()
    responses: Responses = Responses()
    batch: Batch = Batch()
    attachments: Attachments = Attachments()
    ui: Ui = Ui()
    skipped: dict[str, str] = field(default_factory=dict)
    """Providers that are left out, with the reason: `needs OPENAI_API_KEY`, `disabled`."""
    left_out: dict[str, ProviderRow] = field(default_factory=dict, repr=False)
    """The rows of those; where a variable is missing, the text stands as it was written."""
    notes: tuple[str, ...] = ()
    """What is no error and still worth a line at the start."""
    source: str | None = None
    """The path of the file, None without one."""
    secret_paths: Annotated[frozenset[Path], Anything()] = field(default_factory=frozenset, repr=False)
    """Values that came from a variable with a telling name; `masked` hides them wherever they stand."""
