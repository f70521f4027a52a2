"""What cannot be, and how it is refused: the matrix holds the server to it, and docs/dialects.md tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tests.matrix.clients import CLIENTS
from tests.matrix.facts import CASES


class Limit(NamedTuple):
    """Cells that are refused before anything is sent; an empty name stands for all."""

    client: str
    target: str
    cases: tuple[str, ...]
    words: str
    """What the message says."""
    why: str
    status: int = 400

    def holds(self, client: str, target: str, case: str) -> bool:
        """Tell whether a cell is among them."""
        return self.client in ("", client) and self.target in ("", target) and case in self.cases


_TOOLS: Final = ("tools", "parallel tools")
LIMITS: Final = (
    Limit("completions", "", _TOOLS, "`tools` belongs to /v1/chat/completions", "A completion has no form for calls."),
    Limit("completions", "", ("image",), "`prompt[1]` must be a string", "A prompt is text."),
    Limit("", "llama_cpp", ("image",), "text only", "Local models read nothing but text."),
    Limit("", "echo", _TOOLS, "`tool_choice`", "Echo calls no tools: it refuses to be made to."),
    Limit("", "echo", ("image",), "repeats text only", "Echo repeats text."),
)
TARGETS: Final = ("openai_compatible", "anthropic", "gemini", "bedrock", "azure", "sdk", "llama_cpp", "echo")


def limit_of(client: str, target: str, case: str) -> Limit | None:
    """Return why a cell cannot be; None where it can."""
    return next((limit for limit in LIMITS if limit.holds(client, target, case)), None)


def table() -> Iterator[str]:
    """Yield the lines of the table and the list in docs/dialects.md."""
    yield from _row(("provider", "dialect", *(case.name for case in CASES)))
    yield from _row(("---",) * (2 + len(CASES)))
    for target in TARGETS:
        for client in CLIENTS:
            found = [limit_of(client.name, target, case.name) for case in CASES]
            yield from _row((target, client.name, *(str(one.status) if one else "yes" for one in found)))
    yield ""
    for limit in LIMITS:
        where = " of ".join(filter(None, (limit.client, limit.target)))
        yield f"- {where}, {' and '.join(limit.cases)}: {limit.status}. {limit.why}"


def _row(cells: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"
