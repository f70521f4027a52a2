"""What `llms serve` prints when it listens: what was found, what is missing, and the lines to copy."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator

from llms.app import Engine, keys_required
from llms.config.model import Config
from llms.policies.keys import Caller
from llms.providers import discover


def announce(engine: Engine, config: Config, *, open_browser: bool) -> None:
    """Print the table, plain where stdout is no terminal, and open the page if asked."""
    base = f"http://{_host(config)}:{config.server.port}"
    rows = list(_providers(engine, config))
    _print_table(rows)
    hints = _missing(engine, config)
    if hints:
        print(f"\nMore: {hints}")
    page = f"{base}/"
    if keys_required(config) and config.ui.enabled:
        page = f"{base}/#sign-in={engine.services.sessions.link(Caller('link'))}"
    print(f"\n  API   {base}/v1")
    if config.ui.enabled:
        print(f"  Chat  {page}" + ("   (this link signs in once)" if keys_required(config) else ""))
    model = _example_model(engine)
    key = "$LLMS_API_KEY" if keys_required(config) else "none"
    print(f"\n  export OPENAI_BASE_URL={base}/v1 OPENAI_API_KEY={key}")
    auth = ' -H "Authorization: Bearer $LLMS_API_KEY"' if keys_required(config) else ""
    print(
        f"  curl {base}/v1/chat/completions{auth} -H 'Content-Type: application/json' "
        f"""-d '{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hello"}}]}}'\n"""
    )
    sys.stdout.flush()
    if open_browser:
        webbrowser.open(page)


def _providers(engine: Engine, config: Config) -> Iterator[tuple[str, str, str]]:
    for name, member in engine.gateway.fleet.members.items():
        found = engine.found.get(name)
        how = found.why if found is not None and name not in config.providers else "providers.yaml"
        yield name, member.problem or "ready", how
    for name, reason in config.skipped.items():
        yield name, reason, "providers.yaml"


def _print_table(rows: list[tuple[str, str, str]]) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table("provider", "state", "from", box=None, header_style="bold")
        for name, state, how in rows:
            table.add_row(name, f"[green]{state}[/]" if state == "ready" else f"[yellow]{state}[/]", how)
        Console().print(table)
        return
    width = max([8, *(len(row[0]) for row in rows)])
    print(f"{'provider':{width}}  {'state':8}  from")
    for name, state, how in rows:
        print(f"{name:{width}}  {state:8}  {how}")


def _missing(engine: Engine, config: Config) -> str:
    """Return how to get more providers, in one line."""
    if not config.discover:
        return ""
    hints = [row.hint for row in discover.missing(os.environ)[:3]]
    if "local" not in engine.gateway.fleet.members:
        hints.append("pip install 'llms[local]' for the embedded model")
    hints.append("start Ollama, LM Studio, llama-server or vLLM")
    return " · ".join(hints)


def _example_model(engine: Engine) -> str:
    """Return a model id that will answer: a configured name, else the embedded one."""
    fleet = engine.gateway.fleet
    names = [name for name in fleet.config.models if "*" not in name]
    if names:
        return names[0]
    return "local/demo" if "local" in fleet.members else "MODEL"


def _host(config: Config) -> str:
    host = config.server.host
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
