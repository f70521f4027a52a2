"""`llms providers`: the providers and how they are."""

from __future__ import annotations

import click

from llms.cli.verb import Verb


@click.command(cls=Verb)
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def providers(config: str | None, as_json: bool) -> None:
    """List the providers and how they are: each is asked what it serves.

    \b
    Examples:
      llms providers
      llms providers --json
    """
    import asyncio
    from dataclasses import asdict

    from llms.cli.output import complain, show_json, show_table
    from llms.cli.running_engine import ask_all, running_engine
    from llms.cli.settings import configuration
    from llms.cli.standing import HEADER, Standing, colour, standings

    found = configuration(config)

    async def gather() -> list[Standing]:
        async with running_engine(found) as engine:
            await ask_all(engine)
            return list(standings(engine, found))

    rows = asyncio.run(gather())
    if as_json:
        show_json([asdict(each) for each in rows])
    elif rows:
        show_table(HEADER, [each.cells() for each in rows], style=colour)
    else:
        complain("There is no provider. Set a key such as OPENAI_API_KEY, or write a file: llms config init")
