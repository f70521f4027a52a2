"""Take pictures of the web chat into .cache/screenshots: each view, wide and narrow, light and dark, and in Arabic."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.async_api import Browser, Error, async_playwright
from screenshot_chats import ANSWER, THOUGHTS
from screenshot_views import VIEWS

from llms.testing.fake_upstream import Answer, FakeUpstream, Seen, error, reasoning_stream, text_stream

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / ".cache" / "screenshots"
CONFIG: Final = """
providers:
  up: {type: openai_compatible, base_url: "%s", api_key: sk-pictures}
  local: {type: llama_cpp}
models:
  assistant: {targets: [up/big]}
  demo: {targets: [local/demo]}
"""
MODELS: Final[list[dict[str, Any]]] = [
    {
        "id": "big",
        "context_length": 400_000,
        "capabilities": ["chat", "vision", "tools", "reasoning"],
        "pricing": {"prompt": "0.00000125", "completion": "0.00001"},
    },
    {"id": "small", "context_length": 8192, "capabilities": ["chat"], "size_bytes": 98_000_000},
]


class Look(NamedTuple):
    """How one series of pictures is taken."""

    name: str
    size: tuple[int, int]
    scheme: str
    locale: str = "en-US"


LOOKS: Final = (
    Look("wide-light", (1440, 900), "light"),
    Look("wide-dark", (1440, 900), "dark"),
    Look("phone-light", (390, 844), "light"),
    Look("phone-dark", (390, 844), "dark"),
    Look("wide-arabic", (1440, 900), "light", "ar-EG"),
    Look("phone-arabic", (390, 844), "light", "ar-EG"),
)


def main() -> int:
    """Take all pictures; return how many views could not be shown."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        print("needs a browser: apt-get install chromium", file=sys.stderr)
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    missing = asyncio.run(take(program, sys.argv[1:]))
    print(*missing, f"pictures are in {OUT.relative_to(ROOT)}", sep="\n")
    return len(missing)


async def take(program: str, names: list[str]) -> list[str]:
    """Take the pictures of all looks, or of those named; return a line for each view that did not come."""
    async with running() as address, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--no-proxy-server"])
        missing = []
        for look in LOOKS:
            if not names or look.name in names:
                missing += await series(browser, address, look)
        await browser.close()
    return missing


@asynccontextmanager
async def running() -> AsyncGenerator[str, None]:
    """Run a server of its own on a free port, with an upstream of its own; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        async with FakeUpstream() as upstream:
            upstream.models(MODELS)
            upstream.on(answer)
            (Path(folder) / "providers.yaml").write_text(CONFIG % upstream.url)
            server = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "llms", "serve", "--port", "0", "--no-discover", "--config", "providers.yaml"),
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "LLMS_DATA_DIR": folder},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                assert server.stdout is not None
                yield await _address(server.stdout)
            finally:
                server.terminate()
                await server.wait()


async def _address(output: asyncio.StreamReader) -> str:
    while line := (await output.readline()).decode():
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise SystemExit("the server ended before it told its address")


def answer(seen: Seen) -> Answer:
    """Answer as the question wants it: slowly, not at all, or at once."""
    question = str(seen.json["messages"][-1]["content"])
    if "/fail" in question:
        return error(503, message="The model is overloaded. Please try again later.")
    if "/slow" in question:
        return text_stream(ANSWER).paced(0.02)
    return reasoning_stream(THOUGHTS, ANSWER)


async def series(browser: Browser, address: str, look: Look) -> list[str]:
    """Take the pictures of one look; return a line for each view that did not come."""
    phone = look.size[0] < 600
    options: dict[str, Any] = {"color_scheme": look.scheme, "locale": look.locale, "has_touch": phone}
    context = await browser.new_context(
        base_url=address,
        viewport={"width": look.size[0], "height": look.size[1]},
        device_scale_factor=2,
        is_mobile=phone,
        **options,
    )
    context.set_default_timeout(5_000)
    page = await context.new_page()
    await page.goto("/")
    missing = []
    for name, show in VIEWS.items():
        try:
            await show(page)
            await page.wait_for_timeout(400)
            await page.screenshot(path=OUT / f"{name}-{look.name}.png")
        except Error as failed:
            missing.append(f"{name}, {look.name}: {failed.message.splitlines()[0]}")
    await context.close()
    return missing


if __name__ == "__main__":
    sys.exit(main())
