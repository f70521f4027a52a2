"""`llms bench`: what the proxy itself costs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from llms.cli.bench_run import Figures

_WORDS: Final = {
    "head": "read the request's head",
    "access": "host, hops, key",
    "parse": "parse the body",
    "plan": "choose the target",
    "send": "begin the account, write to the upstream",
    "read": "read the answer, check it, write to the client",
    "account": "metrics",
    "log": "the line of the log",
    "usage row": "the row of the accounts",
}


@click.command(cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(as_json: bool) -> None:
    """Measure what the proxy itself costs on this machine.

    Starts a server with everything on and a scripted upstream, both on loopback, asks for some seconds, and ends
    them. Your providers, keys and files are not touched. Exits with 1 when an answer was wrong.

    \b
    Examples:
      llms bench
      llms bench --json | jq .cpu_per_request
    """
    from dataclasses import asdict

    from llms.cli.bench_run import NotMeasured, measure
    from llms.cli.output import fail, show_json

    try:
        figures = measure()
    except NotMeasured as problem:
        fail(str(problem), code=1)
    if as_json:
        show_json({name: round(v, 2) if isinstance(v, float) else v for name, v in asdict(figures).items()})
    else:
        _show(figures)
    if figures.faults:
        fail(f"{figures.faults} answers were not as they should be.", code=1)


def _show(figures: Figures) -> None:
    """Print the figures, and the components of a request with what is left for sockets and the event loop."""
    from llms.cli.output import show_table

    rows = [
        ("processor time per request", _us(figures.cpu_per_request)),
        ("processor time per streamed chunk", _us(figures.cpu_per_chunk)),
        ("added latency p50, p99", f"{_us(figures.added_p50)}, {_us(figures.added_p99)}"),
        ("added to a stream's first text p50, p99", f"{_us(figures.added_first_p50)}, {_us(figures.added_first_p99)}"),
        ("requests per second, one client process", f"{figures.requests_per_second:.0f}"),
        ("requests per second that a core could do", f"{figures.requests_per_core:.0f}"),
    ]
    show_table(("figure", "here"), rows)
    print()
    parts = [(name, f"{figures.parts[name]:.1f} µs", words) for name, words in _WORDS.items() if name in figures.parts]
    rest = figures.cpu_per_request - sum(figures.parts[name] for name, _, _ in parts)
    parts.append(("rest", f"{max(rest, 0.0):.1f} µs", "sockets, the event loop, writing log and accounts"))
    show_table(("of a request", "takes", "what it is"), parts)
    print(
        f"\nOf a chunk, {figures.parts['chunk']:.1f} µs are ours; the rest is the operating system and the event loop."
    )


def _us(microseconds: float) -> str:
    return f"{microseconds:.0f} µs" if microseconds >= 100 else f"{microseconds:.1f} µs"
