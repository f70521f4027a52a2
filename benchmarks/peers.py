"""The proxies that are compared, and the upstream behind them: the command and the configuration of each."""

import shutil
import sys
from pathlib import Path

from benchmarks.launch import Command, PeerFailed

DIRECT, RELAY, NGINX, OURS, TWO = "direct", "relay", "nginx", "ours", "two"

OUR_CONFIG = """\
providers:
  bench: {{type: openai_compatible, base_url: "http://127.0.0.1:{upstream_port}/v1", api_key: sk-up}}
models:
  gpt-4o-mini: {{targets: [bench/gpt-4o-mini]}}
keys: {{required: true, static: [sk-bench]}}
"""

DIALECT_ROWS = """\
  native:
    type: openai_compatible
    base_url: "http://127.0.0.1:{upstream_port}/v1"
    api_key: sk-up
    dialects: [messages, responses]
  anthropic: {{type: anthropic, base_url: "http://127.0.0.1:{upstream_port}/v1", api_key: sk-up}}
  gemini: {{type: gemini, base_url: "http://127.0.0.1:{upstream_port}/v1beta", api_key: sk-up}}
"""
"""More providers, for what is asked for in other dialects."""

NGINX_CONFIG = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  keepalive_requests 10000000;
  client_body_temp_path {folder}/client;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream bench {{ server 127.0.0.1:{upstream_port}; keepalive 2048; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer sk-up";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""


def upstream_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Start the scripted upstream; it has none of its own."""
    return [sys.executable, "-m", "benchmarks.upstream", str(port)]


def relay_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Start the byte relay."""
    return [sys.executable, "-m", "benchmarks.relay", str(port), str(upstream_port)]


def nginx_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Start nginx with one worker; PeerFailed when it is not installed."""
    program = nginx_program()
    if program is None:
        raise PeerFailed("nginx is not installed; install it or leave out --nginx")
    config = folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(folder=folder, port=port, upstream_port=upstream_port))
    return [program, "-p", str(folder), "-c", str(config), "-e", "stderr"]


def nginx_program() -> str | None:
    """Find nginx, which is on few users' PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def our_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Start `llms serve` with keys required and everything on."""
    config = folder / "providers.yaml"
    config.write_text(OUR_CONFIG.format(upstream_port=upstream_port))
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-m", "llms", "serve", *options]


def our_dialects_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Start `llms serve` with providers of other dialects, too."""
    command = our_command(port, upstream_port, folder)
    config = folder / "providers.yaml"
    rows = DIALECT_ROWS.format(upstream_port=upstream_port)
    config.write_text(config.read_text().replace("models:\n", f"{rows}models:\n", 1))
    return command


def two_command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Start `llms serve` with two workers."""
    return [*our_dialects_command(port, upstream_port, folder), "--workers", "2"]


COMMANDS: dict[str, Command] = {RELAY: relay_command, NGINX: nginx_command, OURS: our_command, TWO: two_command}
LASTING = {**COMMANDS, OURS: our_dialects_command}
"""Those that are asked for everything; what a fresh one holds is measured without other dialects."""


def help_command() -> list[str]:
    """Print our help."""
    return [sys.executable, "-m", "llms", "--help"]
