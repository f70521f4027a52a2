"""`llms serve`: the server."""

from __future__ import annotations

from typing import Any

import click

from llms.cli.verb import Verb


@click.command(cls=Verb)
@click.option("--host", metavar="ADDRESS", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default 8000; 0 takes a free one).")
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
@click.option("--workers", type=click.IntRange(1, 256), help="Server processes (default 1).")
@click.option("--no-discover", is_flag=True, help="Use only what the file names.")
@click.option("--no-ui", is_flag=True, help="Do not serve the web page.")
@click.option("--insecure", is_flag=True, help="Listen beyond this machine without a key.")
@click.option("--open", "open_browser", is_flag=True, help="Open the web page in a browser.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", help="Least level to log."
)
def serve(config: str | None, no_discover: bool, no_ui: bool, insecure: bool, log_level: str, **flags: Any) -> None:
    """Run the server.

    \b
    Examples:
      llms serve
      llms serve --port 9000 --config providers.yaml
      LLMS_API_KEY=secret llms serve --host 0.0.0.0
    """
    import llms.cli.lean_aiohttp  # noqa: F401 - first, for everything else imports aiohttp as it is
    from llms.cli.running import Flags, run

    run(Flags(config, no_discover=no_discover, no_ui=no_ui, insecure=insecure, log_level=log_level, **flags))
