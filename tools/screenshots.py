"""Take pictures of the web chat into .cache/screenshots: each view, wide and narrow, light and dark, and in Arabic."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, Error, Page, sync_playwright

ROOT: Final = Path(__file__).resolve().parents[1]
OUT: Final = ROOT / ".cache" / "screenshots"
CONFIG: Final = (
    "providers:\n  echo: {type: echo}\n  local: {type: llama_cpp}\nmodels:\n  demo: {targets: [local/demo]}\n"
)
QUESTION: Final = """Tell me about **token buckets**.

```python
def take(self, n: float = 1.0) -> bool:
    return self.tokens >= n  # cheap
```

| Algorithm | Bursts |
|---|---|
| Token bucket | up to its capacity |
"""


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
)


def main() -> int:
    """Take all pictures; return how many views could not be shown."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        print("needs a browser: apt-get install chromium", file=sys.stderr)
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    with running() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--no-proxy-server"])
        missing = [line for look in LOOKS for line in series(browser, address, look)]
        browser.close()
    print(*missing, f"pictures are in {OUT.relative_to(ROOT)}", sep="\n")
    return len(missing)


@contextmanager
def running() -> Generator[str, None, None]:
    """Run a server of its own on a free port; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "providers.yaml").write_text(CONFIG)
        server = subprocess.Popen(
            [sys.executable, "-m", "llms", "serve", "--port", "0", "--no-discover", "--config", "providers.yaml"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "LLMS_DATA_DIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert server.stdout is not None
            found = None
            while found is None:
                line = server.stdout.readline()
                if not line:
                    raise SystemExit("the server ended before it told its address")
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
            yield found[0]
        finally:
            server.terminate()
            server.wait(timeout=30)


def series(browser: Browser, address: str, look: Look) -> Generator[str, None, None]:
    """Take the pictures of one look; yield a line for each view that did not come."""
    phone = look.size[0] < 600
    options: dict[str, Any] = {"color_scheme": look.scheme, "locale": look.locale, "has_touch": phone}
    context = browser.new_context(
        viewport={"width": look.size[0], "height": look.size[1]}, device_scale_factor=2, is_mobile=phone, **options
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(address)
    for name, show in VIEWS.items():
        try:
            show(page)
            page.wait_for_timeout(400)
            page.screenshot(path=OUT / f"{name}-{look.name}.png")
        except Error as failed:
            yield f"{name}, {look.name}: {failed.message.splitlines()[0]}"
    context.close()


def start(page: Page) -> None:
    """Show the chat that has not begun."""
    page.wait_for_selector(".app")
    page.wait_for_load_state("networkidle")


def answer(page: Page) -> None:
    """Show a question and its answer."""
    page.get_by_test_id("chat-input").fill(QUESTION)
    page.get_by_test_id("send-button").click()
    page.wait_for_selector(".assistant-message .usage", timeout=60_000)


def settings(page: Page) -> None:
    """Show the settings."""
    page.get_by_test_id("settings-button").dispatch_event("click")
    page.wait_for_selector("dialog[open]")


VIEWS: Final[dict[str, Callable[[Page], None]]] = {"start": start, "answer": answer, "settings": settings}

if __name__ == "__main__":
    sys.exit(main())
