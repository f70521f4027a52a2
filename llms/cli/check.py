"""`llms check`: one tiny request to each provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from llms.cli.trial import Trial
    from llms.config.model import Config


@click.command(cls=Verb)
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@click.option("-m", "--model", help="The model to ask, instead of the first that each provider lists.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Seconds for each answer."
)
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(providers: tuple[str, ...], model: str | None, timeout: float, config: str | None, as_json: bool) -> None:
    """Send one tiny streamed request to each provider and tell how long it took, or what to mend.

    Exits with 1 when a provider failed. Providers without their key are left out unless they are named.

    \b
    Examples:
      llms check
      llms check openai --model gpt-5.5-mini
    """
    import asyncio
    from dataclasses import asdict

    from llms.cli.output import complain, show_json
    from llms.cli.settings import configuration

    trials = asyncio.run(_try_all(configuration(config), providers, model, timeout))
    if as_json:
        show_json([{"ok": trial.ok, **asdict(trial)} for trial in trials])
    elif trials:
        _show(trials)
    else:
        complain("There is no provider to check. Set a key such as OPENAI_API_KEY, or write a file: llms config init")
    if not trials or not all(trial.ok for trial in trials):
        raise SystemExit(1)


async def _try_all(config: Config, names: tuple[str, ...], model: str | None, seconds: float) -> list[Trial]:
    import asyncio

    from llms.cli.running_engine import running_engine
    from llms.cli.trial import Trial, attempt, single_minded

    async with running_engine(single_minded(config, seconds=seconds)) as engine:
        members = engine.gateway.fleet.members
        _refuse_unknown(names, {*members, *config.skipped})
        tried = [name for name in members if not names or name in names]
        trials = await asyncio.gather(*(attempt(engine, name, model=model, seconds=seconds) for name in tried))
        left_out = [name for name in names if name in config.skipped and name not in members]
        return [*trials, *(Trial(name, error=config.skipped[name]) for name in left_out)]


def _refuse_unknown(names: tuple[str, ...], known: set[str]) -> None:
    from llms.cli.output import fail
    from llms.config.values import did_you_mean

    for name in names:
        if name not in known:
            here = did_you_mean(name, sorted(known)) or f"there are: {', '.join(sorted(known)) or 'none'}."
            fail(f'There is no provider "{name}"; {here}')


def _show(trials: list[Trial]) -> None:
    from llms.cli.output import show_table

    def seconds(value: float | None) -> str:
        return f"{value:.2f} s" if value is not None else ""

    rows = [
        (trial.provider, trial.model or "", seconds(trial.ttft), seconds(trial.seconds), trial.error or "ok")
        for trial in trials
    ]
    show_table(
        ("provider", "model", "first token", "total", "result"),
        rows,
        style=lambda row: "" if row[-1] == "ok" else "red",
    )
