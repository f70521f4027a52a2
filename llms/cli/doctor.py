"""`llms doctor`: common faults and their fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from llms.cli.doctor_installation import Finding


@click.command(cls=Verb)
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(config: str | None, as_json: bool) -> None:
    """Look for common faults of the installation, the machine and the setup, and tell the fix of each.

    Nothing is sent to a provider, and no value of a key is shown. Exits with 1 when something fails.

    \b
    Examples:
      llms doctor
      llms doctor --json | jq '.[] | select(.level != "ok")'
    """
    import os
    from dataclasses import asdict

    from llms.cli.doctor_installation import installation
    from llms.cli.output import show_json, show_table

    found = list(installation(os.environ))
    # Without a package that is needed nothing else can be looked at.
    if not any(each.level == "fail" and each.subject == "packages" for each in found):
        found += _everything_else(config)
    if as_json:
        show_json([asdict(each) for each in found])
    else:
        colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
        rows = [(each.level, each.subject, f"{each.text}. {each.fix}" if each.fix else each.text) for each in found]
        show_table(("", "subject", "finding"), rows, style=lambda row: colours[row[0]])
    if any(each.level == "fail" for each in found):
        raise SystemExit(1)


def _everything_else(config: str | None) -> list[Finding]:
    import os

    from llms.cli.doctor_machine import machine
    from llms.cli.doctor_setup import read_setup, setup

    in_force, problems = read_setup(config)
    return [*problems, *setup(in_force, os.environ), *machine(in_force, os.environ)]
