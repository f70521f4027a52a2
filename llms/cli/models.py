"""`llms models`: what may be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from llms.config.model import Config
    from llms.protocol.chat import ModelInfo


@click.command(cls=Verb)
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(config: str | None, as_json: bool) -> None:
    """List the models that may be asked for; every provider is asked what it serves.

    Prices are US dollars for a million tokens, in and out; --json says where each fact is from. Providers that do
    not answer are named on stderr.

    \b
    Examples:
      llms models
      llms models --json | jq -r '.[].id'
    """
    import asyncio

    from llms.cli.output import complain, show_json
    from llms.cli.settings import configuration
    from llms.providers.discover import local_hint

    found = configuration(config)
    rows, silent = asyncio.run(_gather(found))
    if as_json:
        show_json(rows)
    elif rows:
        _show(rows)
    for name, why in silent.items():
        complain(f"{name}: {why}")
    if found.discover and (lack := local_hint()) is not None:
        complain(lack)
    if not rows:
        if not silent:
            complain("There is no model. Set a key such as OPENAI_API_KEY, or write a file: llms config init")
        raise SystemExit(1)


async def _gather(config: Config) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return every model in plain values, and the providers that did not tell theirs."""
    from llms.cli.running_engine import ask_all, running_engine

    async with running_engine(config) as engine:
        silent = await ask_all(engine)
        return [_row(*entry) for entry in await engine.services.described.entries()], silent


def _row(name: str, info: ModelInfo, provider: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "provider": provider or None, "context_window": None, "price": None, **facts}


def _show(rows: list[dict[str, Any]]) -> None:
    from llms.cli.output import show_table

    show_table(("model", "provider", "context", "$ in / out", "can"), [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    window, price = row["context_window"], row["price"]
    dollars = [f"{price[way]:g}" for way in ("input", "output") if price[way] is not None] if price else []
    able = [name for name in ("tools", "reasoning") if row.get(name)]
    seen = [kind for kind in row.get("input_modalities", ()) if kind != "text"]
    size = f"{window:,}" if window else ""
    return row["id"], row["provider"] or "(alias)", size, " / ".join(dollars), ", ".join((*seen, *able))
