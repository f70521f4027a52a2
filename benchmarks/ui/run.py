"""Stream a long answer to the web chat's renderer in Chromium, open and search many chats, and count what is felt."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, async_playwright

from benchmarks.ui import chats
from benchmarks.ui.answers import KINDS
from benchmarks.ui.serving import serving

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = ("--no-sandbox", "--no-proxy-server", "--disable-background-networking", "--no-first-run")
_SIZE: Final = {"width": 1280, "height": 800}
_METRICS: Final = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")
_MOST_TOKENS: Final = 100_000
_TIMES: Final = ("script s", "layout s", "busy s", "took s")
_HEAD: Final = ("answer", "drawn", "long tasks", "total ms", "worst ms", "dropped", "p95 ms", *_TIMES)


@dataclass(frozen=True, slots=True)
class Shot:
    """One answer to be shown."""

    kind: str
    tokens: int
    rate: int
    slow: int
    way: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted while it was shown; times in milliseconds where they don't say seconds."""

    long: int
    long_total: float
    worst: float
    dropped: int
    frames: int
    p95: float
    script_seconds: float
    layout_seconds: float
    busy_seconds: float
    seconds: float
    is_same: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when every page was right at the end, 1 when not."""
    options = read_options(arguments)
    return asyncio.run(run(options))


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; exits with 2 and says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ui", description=__doc__)
    parser.add_argument("--tokens", type=int, default=20_000, help="tokens of the answer (20000)")
    parser.add_argument("--rate", type=int, default=500, help="tokens a second (500)")
    parser.add_argument("--slow", type=int, default=1, help="slow the processor down so many times (1)")
    parser.add_argument("--kinds", default="mixed", help=f"comma-separated: {', '.join(KINDS)} (mixed)")
    parser.add_argument("--compare", action="store_true", help="show beside it what drawing everything anew costs")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args(arguments)
    if unknown := set(options.kinds.split(",")) - set(KINDS):
        parser.error(f"unknown kind {sorted(unknown)[0]!r}: choose from {', '.join(KINDS)}")
    if not (0 < options.tokens <= _MOST_TOKENS and options.rate > 0 and options.slow > 0):
        parser.error(f"--tokens, --rate and --slow must be positive, and at most {_MOST_TOKENS} tokens")
    return options


async def run(options: argparse.Namespace) -> int:
    """Show each answer in a page of its own and print a line for it."""
    ways = ("ours", "whole") if options.compare else ("ours",)
    kinds = options.kinds.split(",")
    shots = [Shot(kind, options.tokens, options.rate, options.slow, way) for kind in kinds for way in ways]
    print(_line(_HEAD))
    results = []
    async with serving() as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_browser(), args=list(_FLAGS))
        for shot in shots:
            figures = await show(browser, address, shot)
            results.append({**asdict(shot), **asdict(figures)})
            print(_line(_cells(shot, figures)), flush=True)
        for name, milliseconds in (await chats.measure(browser, address)).items():
            results.append({"name": name, "milliseconds": milliseconds, "is_same": True})
            print(f"{name:<27}{milliseconds:>8.0f} ms", flush=True)
        await browser.close()
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 0 if all(result["is_same"] for result in results) else 1


async def show(browser: Browser, address: str, shot: Shot) -> Figures:
    """Show one answer in a fresh page."""
    context = await browser.new_context(viewport=_SIZE)  # type: ignore[arg-type]
    try:
        page = await context.new_page()
        await page.goto(address)
        await page.wait_for_function("() => Boolean(globalThis.show)")
        session = await context.new_cdp_session(page)
        await session.send("Performance.enable")
        await session.send("Emulation.setCPUThrottlingRate", {"rate": shot.slow})
        before = await _metrics(session)
        seen = await page.evaluate("(shot) => show(shot)", asdict(shot))
        after = await _metrics(session)
        return _figures(seen, {name: after[name] - before[name] for name in _METRICS})
    finally:
        await context.close()


async def _metrics(session: Any) -> dict[str, float]:
    answer = await session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in answer["metrics"]}


def _figures(seen: dict[str, Any], spent: dict[str, float]) -> Figures:
    return Figures(
        long=seen["long"],
        long_total=seen["longTotal"],
        worst=seen["worst"],
        dropped=seen["dropped"],
        frames=seen["frames"],
        p95=seen["p95"],
        script_seconds=spent["ScriptDuration"],
        layout_seconds=spent["LayoutDuration"] + spent["RecalcStyleDuration"],
        busy_seconds=spent["TaskDuration"],
        seconds=seen["seconds"],
        is_same=seen["isSame"],
    )


def _cells(shot: Shot, figures: Figures) -> list[str]:
    numbers = [figures.long_total, figures.worst]
    times = [figures.script_seconds, figures.layout_seconds, figures.busy_seconds, figures.seconds]
    return [
        shot.kind if figures.is_same else f"{shot.kind} WRONG",
        shot.way,
        str(figures.long),
        *(f"{number:.0f}" for number in numbers),
        str(figures.dropped),
        f"{figures.p95:.1f}",
        *(f"{time:.2f}" for time in times),
    ]


def _line(cells: Sequence[str]) -> str:
    first, *others = cells
    return f"{first:<16}" + "".join(f"{cell:>11}" for cell in others)


def _browser() -> str:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        sys.exit("needs a browser: apt-get install chromium")
    return found
