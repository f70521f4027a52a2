"""What the pictures of the web chat show: chats with one of everything, and the figures of a busy month."""

from __future__ import annotations

import math
from typing import Any, Final

ANSWER: Final = """A **token bucket** lets bursts through and holds the average: it fills at a steady rate and every
request takes from it. The level after $t$ seconds is

$$
b(t) = \\min\\left(B,\\; b_0 + \\int_0^t r\\,d\\tau - \\sum_{i=1}^{n} c_i\\right)
$$

```python
class Bucket:
    def __init__(self, rate: float, size: float) -> None:
        self.rate, self.size, self.level = rate, size, size

    def take(self, count: float = 1.0) -> bool:
        \"\"\"Take tokens, if there are so many.\"\"\"
        if count > self.level:
            return False
        self.level -= count
        return True
```

| Algorithm | Bursts | Memory per client | Accuracy |
|---|:--:|--:|---|
| Token bucket | yes | 16 B | exact |
| Leaky bucket | no | 16 B | exact |
| Sliding window | some | 8 B × requests | exact |

1. Choose the **average** first: what can the upstream bear?
2. Then the burst: how many requests does one click make?
   - a page with ten pictures makes ten
   - a script makes as many as it can
3. [x] Tell the client with `Retry-After`.

> A limit that nobody is told of is an outage.

Read more in the [RFC](https://www.rfc-editor.org/rfc/rfc9110#field.retry-after).
"""
THOUGHTS: Final = (
    "The person wants a comparison. I should look up the limits of the upstream first, then compare.\n" * 3
)
TIMING: Final = {"ttft": 312, "duration": 9120, "tokensPerSecond": 48.4, "tokens": 428, "queue": 4, "load": 0}
USAGE: Final = {"prompt_tokens": 812, "completion_tokens": 428, "total_tokens": 1240}
CUT: Final = {
    "type": "NETWORK",
    "message": "The upstream closed the connection before the answer was complete.",
    "status": 502,
    "code": "stream_interrupted",
    "retryable": True,
    "provider": "up",
    "requestId": "req_7f3a91",
}
NOW: Final = 1_795_000_000_000
"""Milliseconds since 1970; only their order shows."""

TITLES: Final = (
    ("How do rate limiters compare?", {"pinned": True}),
    ("Gardening in heavy clay", {"pinned": True}),
    ("Release notes for 2.4", {"folder": "work"}),
    ("Why is the build slow on Mondays and fast on every other day of the week?", {"folder": "work"}),
    ("A broken answer", {}),
    ("Recipe: rye sourdough", {}),
    ("رسالة إلى المالك", {}),
    ("Regex for dates", {}),
    ("Plan a week in Lisbon", {}),
)


def library() -> dict[str, Any]:
    """Return an export of the page with chats in folders, pinned, broken off."""
    threads = [_thread(number, title, fields) for number, (title, fields) in enumerate(TITLES)]
    folders = [{"id": "work", "name": "Work", "createdAt": NOW}, {"id": "home", "name": "Home", "createdAt": NOW + 1}]
    return {"format": "llms-threads", "version": 1, "threads": threads, "folders": folders}


def usage(query: dict[str, float], group: str) -> dict[str, Any]:
    """Return what the server would tell of a busy month."""
    steps = min(60, round((query["to"] - query["from"]) / query["step"]))
    series = [{"time": query["from"] + query["step"] * at, **_figures(at)} for at in range(steps)]
    names = {"model": ("up/big", "up/small", "local/demo"), "provider": ("up", "local"), "key": ("ci", "anna")}[group]
    groups = [
        {"name": name, "totals": _figures(9 - place), "series": series[place::2]} for place, name in enumerate(names)
    ]
    totals = _figures(9) | {"requests": 12_480, "prompt_tokens": 9_300_000, "completion_tokens": 2_100_000}
    return {"object": "usage", **query, "totals": totals, "series": series, "groups": groups, "rest": None}


def _thread(number: int, title: str, fields: dict[str, Any]) -> dict[str, Any]:
    at = NOW - number * 3_600_000
    messages = _conversation() if number == 0 else _short(title)
    return {"id": f"t{number}", "title": title, "createdAt": at, "updatedAt": at, "messages": messages, **fields}


def _conversation() -> list[dict[str, Any]]:
    call = {"type": "tool_call", "id": "c1", "name": "look_up", "arguments": '{"topic": "rate limits", "limit": 5}'}
    return [
        _asked("q1", None, "How do rate limiters compare? Show me code, a formula and a table."),
        _answered(
            "a1",
            "q1",
            [
                {"type": "reasoning", "text": THOUGHTS, "duration": 4200},
                call,
                {"type": "tool_result", "id": "c1", "text": '{"found": 3}'},
                {"type": "text", "text": ANSWER},
            ],
        ),
        _asked("q2", "a1", "And which one would **you** take?"),
        _answered("a2", "q2", [{"type": "text", "text": "The token bucket: it is exact and costs 16 bytes."}]),
    ]


def _short(title: str) -> list[dict[str, Any]]:
    answer = _answered("a1", "q1", [{"type": "text", "text": f"Here is what I know of it: {title}"}])
    if title.startswith("A broken"):
        answer |= {"status": "error", "error": CUT}
    return [_asked("q1", None, title), answer]


def _asked(name: str, parent: str | None, text: str) -> dict[str, Any]:
    return {"id": name, "parentId": parent, "role": "user", "parts": [{"type": "text", "text": text}]}


def _answered(name: str, parent: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    made = {"id": name, "parentId": parent, "role": "assistant", "model": "up/big", "parts": parts}
    return {**made, "usage": USAGE, "timing": TIMING, "cost": 0.0053}


def _figures(at: int) -> dict[str, float]:
    height = 1.2 + math.sin(at / 3) + 0.3 * math.cos(at)
    return {
        "requests": round(40 * height) + 3,
        "errors": at % 5,
        "cancelled": at % 3,
        "prompt_tokens": round(31_000 * height) + 900,
        "completion_tokens": round(7_000 * height) + 300,
        "cached_tokens": round(9_000 * height),
        "reasoning_tokens": 0,
        "ttft_p50": 0.25,
        "ttft_p95": 1.5,
        "duration_p50": 2.0,
        "duration_p95": 9.0,
        "tokens_per_second": 48.5,
    }
