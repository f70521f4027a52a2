"""What `llms serve` prints when it listens: what was found, what is missing, and the lines to copy."""

from __future__ import annotations

import os
import sys
import webbrowser

from llms.app import Engine
from llms.cli.output import mute, show_table
from llms.cli.standing import HEADER, colour, standings
from llms.config.model import Config
from llms.policies.keys import Caller
from llms.providers import discover
from llms.server.admission import keys_required


def announce(engine: Engine, config: Config, *, open_browser: bool) -> None:
    """Print the table and the addresses, and open the page if asked."""
    base = f"http://{_host(config)}:{config.server.port}"
    page = _page(engine, config, base)
    try:
        show_table(HEADER, [each.cells() for each in standings(engine, config)], style=colour)
        _print_more(engine, config)
        _print_addresses(engine, config, base, page)
        sys.stdout.flush()
    except BrokenPipeError:
        mute()
    if open_browser:
        webbrowser.open(page)


def _page(engine: Engine, config: Config, base: str) -> str:
    if keys_required(config) and config.ui.enabled:
        return f"{base}/#sign-in={engine.services.sessions.link(Caller('link'))}"
    return f"{base}/"


def _print_more(engine: Engine, config: Config) -> None:
    for note in config.notes:
        print(f"\nNote: {note}")
    hints = _missing(engine, config)
    if hints:
        print(f"\nMore: {hints}")


def _missing(engine: Engine, config: Config) -> str:
    """Return how to get more providers, in one line."""
    if not config.discover:
        return ""
    hints = [row.hint for row in discover.missing(os.environ)[:3]]
    if (lack := discover.local_hint()) is not None:
        hints.append(lack)
    hints.append("start Ollama, LM Studio, llama-server or vLLM")
    return " · ".join(hints)


def _print_addresses(engine: Engine, config: Config, base: str, page: str) -> None:
    closed = keys_required(config)
    print(f"\n  API   {base}/v1")
    if config.ui.enabled:
        print(f"  Page  {page}" + ("   (this link signs in once)" if closed else ""))
    print(f"\n  export OPENAI_BASE_URL={base}/v1 OPENAI_API_KEY={'$LLMS_API_KEY' if closed else 'none'}")
    auth = ' -H "Authorization: Bearer $LLMS_API_KEY"' if closed else ""
    body = f'{{"model":"{_example_model(engine)}","stream":true,"messages":[{{"role":"user","content":"hello"}}]}}'
    print(f"  curl {base}/v1/chat/completions{auth} -H 'Content-Type: application/json' -d '{body}'\n")


def _example_model(engine: Engine) -> str:
    """Return a model id that will answer: a configured name, else the embedded one."""
    fleet = engine.gateway.fleet
    named = next((name for name, _, provider in fleet.catalog.entries() if not provider), None)
    return named or ("local/demo" if "local" in fleet.members else "MODEL")


def _host(config: Config) -> str:
    host = config.server.host
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
