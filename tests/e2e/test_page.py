"""The page in a real browser: it loads from this server alone, under its own security policy."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from llms.testing.fake_upstream import FakeUpstream
from tests.proxy import one_upstream, serving

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium")
async def test_a_browser_shows_the_page_and_refuses_nothing_of_it(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        browser = await asyncio.create_subprocess_exec(
            str(CHROMIUM),
            *OPTIONS,
            f"--user-data-dir={tmp_path}",
            "--dump-dom",
            f"http://127.0.0.1:{proxy.port}/",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            page, console = await browser.communicate()
    assert b"llms is running" in page
    assert b"Content Security Policy" not in console
