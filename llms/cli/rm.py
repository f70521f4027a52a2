"""`llms rm`: delete a downloaded model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from llms.downloads.shelf import Shelf


@click.command(cls=Verb)
@click.argument("model")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--url", help="The server that may have it loaded, such as http://127.0.0.1:8000 (or LLMS_URL).")
@click.option("--key", help="The key for that server (better: LLMS_API_KEY).")
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
def rm(model: str, yes: bool, url: str | None, key: str | None, config: str | None) -> None:
    """Delete MODEL, which was pulled, and what is left of interrupted pulls of it.

    A server that runs on this machine unloads it first; while it answers with it, nothing is deleted.

    \b
    Examples:
      llms rm smollm2
      llms rm local/qwen3-0.6b-q8_0 --yes
    """
    import asyncio
    import os

    from llms.app import data_dir
    from llms.cli.output import fail
    from llms.cli.settings import configuration
    from llms.downloads.shelf import Shelf
    from llms.protocol.errors import InvalidRequest, LlmsError

    found = configuration(config)
    shelf = Shelf(data_dir(found, os.environ))
    provider, _, rest = model.partition("/")
    name = rest if rest and provider in {"local", *found.providers} else model
    try:
        _agree(shelf, name, yes=yes)
        asyncio.run(_unload(name, url, key))
        count = shelf.remove(name)
    except ValueError as error:
        fail(str(error))
    except LlmsError as error:
        fail(error.message, code=2 if isinstance(error, InvalidRequest) else 1)
    print(f"{name} is deleted ({count} {'file' if count == 1 else 'files'}).")


def _agree(shelf: Shelf, name: str, *, yes: bool) -> None:
    """Show what would be deleted and ask; exit where there is nothing, or nobody agrees."""
    import sys

    from llms.cli.output import fail, printable
    from llms.downloads.room import in_words

    files = shelf.files(name)
    if not files:
        there = ", ".join(stored.name for stored in shelf.models()) or "none"
        fail(f"No model {name} was pulled; there are: {there}.", code=1)
    if yes:
        return
    if not sys.stdin.isatty():
        fail("There is no terminal to ask on; add --yes to delete it.")
    size = in_words(sum(path.stat().st_size for path in files))
    if not click.confirm(printable(f"Delete {', '.join(map(str, files))} ({size})?"), err=True):
        raise SystemExit(1)


async def _unload(name: str, url: str | None, key: str | None) -> None:
    """Have a running server unload a model; raise an LlmsError when it does not."""
    import os

    from llms.cli.own_server import own_server

    server = await own_server(os.environ, url=url, key=key)
    if server is None:
        return
    for row in await server.models():
        held = str(row.get("id")).rpartition("/")[2].lower() == name.lower()
        if held and row.get("state") in ("loading", "loaded"):
            await server.unload(str(row["id"]))
