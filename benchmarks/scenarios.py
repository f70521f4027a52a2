"""What is measured, and what one measurement found."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.dialects import MESSAGES, RESPONSES
from benchmarks.load import Plan
from benchmarks.standins import REDIS, STANDINS, UNUSED

PACED = Plan(20, 1, stream=True, chunks=150, interval_ms=20, opens_per_s=200)
LOADS = {
    "latency": Plan(1, 300, size=1024),
    "ttft": Plan(1, 200, stream=True),
    "small": Plan(32, 100_000, size=1024, seconds=1.5),
    "prompt": Plan(8, 100_000, size=1024, prompt_bytes=200_000, seconds=1.5),
    "burst": Plan(16, 100_000, stream=True, chunks=100, seconds=1.5),
    "paced": PACED,
    "messages": replace(PACED, dialect=MESSAGES, model="native/gpt-4o-mini"),
    "responses": replace(PACED, dialect=RESPONSES, model="native/gpt-4o-mini"),
    "messages-of-chat": replace(PACED, dialect=MESSAGES),
    "responses-of-chat": replace(PACED, dialect=RESPONSES),
    "chat-of-messages": replace(PACED, model="anthropic/gpt-4o-mini"),
    "chat-of-gemini": replace(PACED, model="gemini/gpt-4o-mini"),
    "resumable": replace(PACED, resumable=True),
    REDIS: replace(PACED, resumable=True),
    UNUSED: PACED,
    "streams": Plan(200, 1, stream=True, chunks=150, interval_ms=20, opens_per_s=1000),
}
OPEN_PLAN = Plan(1000, 1, stream=True, chunks=20, interval_ms=250, opens_per_s=1000)
START, OPEN, HELP = "start", "open", "help"
ORDER = (START, HELP, OPEN, *LOADS)
OURS_ONLY = (
    HELP, "messages-of-chat", "responses-of-chat", "chat-of-messages", "chat-of-gemini", "resumable", *STANDINS,
)  # fmt: skip
DIRECT_TOO = ("latency", "ttft")  # also asked of the upstream itself, to know what a proxy adds


@dataclass(frozen=True, slots=True)
class Shot:
    """One scenario at one peer in one round: its values by name, its faults by kind, or why it failed."""

    round: int
    scenario: str
    peer: str
    values: dict[str, float] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    first_fault: str = ""

    def as_json(self) -> dict[str, Any]:
        """Turn into plain JSON values."""
        return asdict(self)


def quick_plan(plan: Plan) -> Plan:
    """Ask for about half."""
    return replace(
        plan,
        requests=max(plan.requests // 2, 1),
        chunks=plan.chunks if plan.interval_ms == 0 else plan.chunks // 2,
        seconds=plan.seconds / 2,
    )
