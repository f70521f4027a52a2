"""`llms explain`: which targets a model id leads to, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from llms.app import Engine
    from llms.config.model import Config
    from llms.routing.catalog import Target
    from llms.routing.planner import Plan


@click.command(cls=Verb)
@click.argument("model")
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(model: str, config: str | None, as_json: bool) -> None:
    """Show which targets MODEL leads to, in which order, why, and what was skipped.

    Health is that of a server that has just started; a running one also knows its latest failures.

    \b
    Examples:
      llms explain smart
      llms explain gpt-4o --json
    """
    import asyncio

    from llms.cli.output import fail, printable, show_json
    from llms.cli.settings import configuration
    from llms.protocol.errors import ModelNotFound

    found = configuration(config)
    try:
        lines, plan = asyncio.run(_explain(found, model))
    except ModelNotFound as error:
        fail(error.message, code=1)
    if as_json:
        show_json(plan)
        return
    for line in lines:
        print(printable(line))


async def _explain(config: Config, model: str) -> tuple[list[str], dict[str, Any]]:
    from llms.cli.running_engine import ask_all, running_engine

    async with running_engine(config) as engine:
        await ask_all(engine)
        route = await engine.gateway.route(model)
        planner = engine.gateway.fleet.planner
        lines = planner.explain(route)
        plan = planner.plan(route)
        lines += [f"note: {problem}" for problem in _problems(engine, plan)]
        return lines, _described(engine, plan)


def _problems(engine: Engine, plan: Plan) -> list[str]:
    """Return what is wrong with the providers of a plan, each once."""
    overflow = plan.route.overflow
    names = dict.fromkeys(target.provider for target in (*plan.targets, *([overflow] if overflow else [])))
    return [member.problem for name in names if (member := engine.gateway.fleet.members[name]).problem]


def _described(engine: Engine, plan: Plan) -> dict[str, Any]:
    route = plan.route
    return {
        "model": route.name,
        "why": route.why,
        "strategy": route.strategy,
        "targets": [_target(engine, target) for target in plan.targets],
        "skipped": [{"target": target.id, "why": why} for target, why in plan.skipped],
        "on_context_overflow": route.overflow.id if route.overflow is not None else None,
    }


def _target(engine: Engine, target: Target) -> dict[str, Any]:
    return {
        "target": target.id,
        "weight": target.weight,
        "health": engine.gateway.health.describe(target),
        "problem": engine.gateway.fleet.members[target.provider].problem or None,
    }
