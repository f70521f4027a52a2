"""What every verb is: a command that loads the rest of the program when it runs, and only what that needs."""

from __future__ import annotations

import os
from typing import Any

import click


class Verb(click.Command):
    """A command whose help costs nothing."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, after two imports have been made cheap for good: 150 ms of every start."""
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # pydantic would look for them in every package
        import llms.telemetry.log  # noqa: F401 - first, for it imports structlog without rich

        return super().invoke(ctx)
