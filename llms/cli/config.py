"""`llms config`: check, show or start a providers.yaml."""

from __future__ import annotations

from pathlib import Path

import click

from llms.cli.verb import Verb


@click.group()
def config() -> None:
    """Check, show or start a providers.yaml.

    \b
    Examples:
      llms config init
      llms config check providers.yaml
      llms config schema > providers.schema.json
    """


@config.command(cls=Verb)
@click.argument("file", required=False)
def check(file: str | None) -> None:
    """Tell every mistake in a file with its line and column.

    Without FILE it is the one that `llms serve` would use. Exits with 2 when there are problems.

    \b
    Example:
      llms config check providers.yaml
    """
    import os

    from llms.cli.output import fail
    from llms.cli.settings import read_file
    from llms.config.load import FILENAME, ConfigError, find

    path = find(file, environ=os.environ, cwd=Path.cwd())
    if path is None:
        fail(f"There is no {FILENAME} here or in your configuration directory. Write one with: llms config init")
    try:
        found = read_file(path)
    except ConfigError as error:
        fail(str(error), lines=True)
    print(f"OK: {_count(len(found.providers), 'provider')}, {_count(len(found.models), 'model')} ({path})")
    for name, reason in found.skipped.items():
        print(f"left out: {name}: {reason}")
    for note in found.notes:
        print(f"note: {note}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@config.command(cls=Verb)
@click.option("--config", "file", metavar="FILE", help="The providers.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def show(file: str | None, as_json: bool) -> None:
    """Print what is in force, found providers and defaults included, without secrets.

    \b
    Examples:
      llms config show
      llms config show --json | jq .server
    """
    from llms.app import Engine
    from llms.cli.output import show_json
    from llms.cli.settings import configuration
    from llms.config.diff import masked

    in_force = masked(Engine(configuration(file)).services.config)
    if as_json:
        show_json(in_force)
        return
    import yaml

    print(yaml.safe_dump(in_force, sort_keys=False, allow_unicode=True), end="")


@config.command(cls=Verb)
def schema() -> None:
    """Print the JSON Schema of providers.yaml, for editors that complete and check.

    \b
    Example:
      llms config schema > providers.schema.json
    """
    from llms.cli.output import show_json
    from llms.config.schema import json_schema
    from llms.providers import registry

    show_json(json_schema(registry.option_schemas()))


@config.command(cls=Verb)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def init(path: Path | None, force: bool) -> None:
    """Write a commented providers.yaml to start from; an existing file is kept.

    \b
    Examples:
      llms config init
      llms config init ~/.config/llms/providers.yaml
    """
    from llms.cli.output import fail
    from llms.config.load import FILENAME
    from llms.config.starter import starter

    target = (path or Path(FILENAME)).expanduser()
    target = target / FILENAME if target.is_dir() else target
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(starter())
    except FileExistsError:
        fail(f"{target} exists and was kept. Overwrite it with --force, or name another path.")
    except OSError as error:
        fail(f"{target} cannot be written: {error.strerror}. Name a path in a folder that exists and is yours.")
    print(f"Wrote {target}. Check it with: llms config check {target}")
