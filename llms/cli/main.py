"""`llms`: the verbs by name; none is imported before it is asked for."""

from __future__ import annotations

import importlib
from typing import Any, Final, NoReturn

import click

from llms import __version__
from llms.cli.boundary import run

VERBS: Final = {
    "serve": "Run the server.",
    "chat": "Chat in the terminal, one-shot or interactive.",
    "models": "List the models that may be asked for.",
    "providers": "List the providers and how they are.",
    "check": "Send one tiny request to each provider.",
    "explain": "Show which targets a model id leads to, and why.",
    "pull": "Fetch a model file, from the hub or any address.",
    "ps": "Show which models the running server has in memory.",
    "rm": "Delete a downloaded model.",
    "config": "Check, show or start a providers.yaml.",
    "plugins": "List providers of installed packages.",
    "doctor": "Look for common faults and their fix.",
    "bench": "Measure what the proxy itself costs on this machine.",
}


class Verbs(click.Group):
    """A group that knows its verbs by name and imports one when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb; for the overview only its one line."""
        if cmd_name not in VERBS:
            return None
        if ctx.meta.get("overview"):
            return click.Command(cmd_name, short_help=VERBS[cmd_name])
        command = getattr(importlib.import_module(f"llms.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing any verb."""
        ctx.meta["overview"] = True
        super().format_commands(ctx, formatter)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Suggest the nearest verb for a mistyped one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, 1)
            if not near:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from error


def main() -> NoReturn:
    """Run the command line: the `llms` command, and `python -m llms`."""
    run(verbs)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="llms")
def verbs() -> None:
    """One local command that gives every OpenAI and Anthropic client a dependable stream from any model.

    \b
    Start with:  llms serve
    Then:        export OPENAI_BASE_URL=http://127.0.0.1:8000/v1
    """
