"""What `llms serve` imports of aiohttp: root certificates are read late, and then they count."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from pathlib import Path

from aiohttp import web

from tests.certificates import Authority
from tests.cli.conftest import Home

ASKS = """
import asyncio, json, os, sys
import llms.cli.lean_aiohttp
import aiohttp

async def ask(url, trusted):
    os.environ["SSL_CERT_FILE"] = trusted
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            return await answer.text()
    except aiohttp.ClientConnectorCertificateError:
        return "refused"

async def main():
    url, *files = sys.argv[1:]
    print(json.dumps([await ask(url, file) for file in files]))

asyncio.run(main())
"""
"""Asks an address with each of some files of root certificates, which are named after aiohttp was imported."""


async def served(context: ssl.SSLContext) -> tuple[web.AppRunner, str]:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return runner, f"https://127.0.0.1:{runner.addresses[0][1]}/"


def asked(home: Home, url: str, *files: Path) -> list[str]:
    command = [sys.executable, "-c", ASKS, url, *map(str, files)]
    ran = subprocess.run(command, env=home.environ(), capture_output=True, check=True)
    return list(json.loads(ran.stdout))


async def test_certificates_are_read_with_the_first_connection_and_count(home: Home, tmp_path: Path) -> None:
    ours, strange = Authority.at(tmp_path / "ours.pem"), Authority.at(tmp_path / "strange.pem")
    runner, url = await served(ours.server("127.0.0.1"))
    try:
        trusting = await asyncio.to_thread(asked, home, url, ours.file, strange.file)
        doubting = await asyncio.to_thread(asked, home, url, strange.file)
    finally:
        await runner.cleanup()

    assert trusting == ["hello", "hello"], "they are read once"
    assert doubting == ["refused"]


def test_nothing_of_it_stays_on_the_class() -> None:
    code = "import llms.cli.lean_aiohttp, ssl; print('set_default_verify_paths' in vars(ssl.SSLContext))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert ran.stdout.strip() == "False"
