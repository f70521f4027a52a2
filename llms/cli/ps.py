"""`llms ps`: what the running server has in memory."""

from __future__ import annotations

from typing import Any

import click

from llms.cli.verb import Verb


@click.command(cls=Verb)
@click.option("--url", help="The server to ask, such as http://127.0.0.1:8000 (or LLMS_URL).")
@click.option("--key", help="The key for that server (better: LLMS_API_KEY).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ps(url: str | None, key: str | None, as_json: bool) -> None:
    """Show which local models the running server has in memory, and what they do.

    It is asked on this machine (LLMS_URL, OPENAI_BASE_URL, or port 8000). Exits with 1 when none runs.

    \b
    Examples:
      llms ps
      llms ps --json | jq -r '.[].pid'
    """
    import asyncio

    from llms.cli.output import complain, fail, show_json, show_table
    from llms.protocol.errors import LlmsError

    try:
        rows = asyncio.run(_rows(url, key))
    except ValueError as error:
        fail(str(error))
    except LlmsError as error:
        fail(error.message, code=1)
    if as_json:
        show_json(rows)
    elif rows:
        header = ("model", "state", "memory", "slots", "loaded", "idle", "pid", "problem")
        show_table(header, [_cells(row) for row in rows], style=_colour)
    else:
        complain("The server has no local model in memory; one is loaded when it is first asked.")


async def _rows(url: str | None, key: str | None) -> list[dict[str, Any]]:
    """Return what is in memory, comes there, or failed to."""
    import os

    from llms.cli.output import fail
    from llms.cli.own_server import own_server

    server = await own_server(os.environ, url=url, key=key)
    if server is None:
        fail("No llms server runs on this machine. Start one with llms serve, or name one with --url.", code=1)
    return [row for row in await server.models() if row["state"] != "unloaded"]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from llms.downloads.room import in_words

    def seconds(value: Any) -> str:
        return (
            "" if not isinstance(value, int | float) else f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"
        )

    memory, pid = row.get("memory_bytes"), row.get("pid")
    return (
        str(row.get("id")),
        str(row["state"]),
        in_words(memory) if isinstance(memory, int) else "",
        f"{row.get('busy')} of {row.get('slots')} busy" if row["state"] == "loaded" else "",
        seconds(row.get("loaded_for")),
        seconds(row.get("idle_for")),
        str(pid) if pid is not None else "",
        str(row.get("problem") or ""),
    )


def _colour(cells: Any) -> str:
    return {"loaded": "green", "failed": "red"}.get(cells[1], "yellow")
