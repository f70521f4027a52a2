"""The snippets of the README, the examples, and the lines that `llms serve` prints: run as a reader would run them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from llms.protocol.sse import Decoder
from tests.docs.conftest import Running
from tests.docs.markdown import ROOT, Block, blocks

USUAL = "http://127.0.0.1:8000"
JAVASCRIPT = ROOT / ".cache" / "snippets"
"""Where npm puts OpenAI's library, for this and later runs."""
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def snippet(name: str, server: Running) -> str:
    """Return the README's snippet of this name, with the port of the running server."""
    found: list[Block] = [block for block in blocks("README.md") if block.test == name]
    assert len(found) == 1
    assert USUAL in found[0].text
    return found[0].text.replace(USUAL, server.address)


def run(command: list[str], server: Running, *, cwd: Path) -> str:
    """Run a command to its end and return what it printed; AssertionError when it failed."""
    done = subprocess.run(
        command, cwd=cwd, env=server.environ, capture_output=True, text=True, timeout=100, encoding="utf-8"
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def told(stream: str) -> str:
    """Return the text of a stream that ended well."""
    decoder = Decoder()
    events = [data for _, data in [*decoder.feed(stream.encode()), *decoder.close()]]
    assert events[-1] == b"[DONE]"
    return "".join(json.loads(data)["choices"][0]["delta"].get("content") or "" for data in events[:-1])


def need(program: str, install: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"this needs {program}: {install}")
    return path


def test_curl(server: Running, tmp_path: Path) -> None:
    need("curl", "apt-get install curl")

    assert told(run(["sh", "-c", snippet("curl", server)], server, cwd=tmp_path)).strip()


def test_the_line_that_the_start_prints(server: Running, tmp_path: Path) -> None:
    need("curl", "apt-get install curl")
    line = next(line for line in server.printed.splitlines() if line.strip().startswith("curl "))

    assert told(run(["sh", "-c", line], server, cwd=tmp_path)).strip()


def test_python(server: Running, tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(snippet("python", server), encoding="utf-8")

    assert run([sys.executable, "snippet.py"], server, cwd=tmp_path).strip()


def test_javascript(server: Running) -> None:
    node = need("node", "apt-get install nodejs npm")
    _install_openai(need("npm", "apt-get install npm"))
    (JAVASCRIPT / "snippet.mjs").write_text(snippet("javascript", server), encoding="utf-8")

    assert run([node, "snippet.mjs"], server, cwd=JAVASCRIPT).strip()


def _install_openai(npm: str) -> None:
    if (JAVASCRIPT / "node_modules" / "openai").exists():
        return
    JAVASCRIPT.mkdir(parents=True, exist_ok=True)
    (JAVASCRIPT / "package.json").write_text('{"private": true}')
    install = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "openai"]
    done = subprocess.run(install, cwd=JAVASCRIPT, capture_output=True, text=True, timeout=100)
    if done.returncode:
        pytest.skip(f"npm install openai failed in {JAVASCRIPT}: {done.stderr[-500:]}")


SAID = {
    "client_example.py": ("-- stop, ", " reconnects", "-- stopped after ", "model_not_found"),
    "resuming_example.py": ("-- whole after", "-- completed", "-- cancelled: "),
    "streaming_example.py": (
        "-- first chunk after",
        "tokens in",
        "-- finish reason stop",
        "-- cancelled after 3",
        "model_not_found",
    ),
}
"""What each example says where it goes well."""


def test_there_are_examples() -> None:
    assert [path.name for path in EXAMPLES] == sorted(SAID)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example(path: Path, server: Running, tmp_path: Path) -> None:
    printed = run([sys.executable, str(path)], server, cwd=tmp_path)

    for line in SAID[path.name]:
        assert line in printed


def test_an_example_tells_that_no_server_is_there(tmp_path: Path) -> None:
    nowhere = Running("http://127.0.0.1:9", "")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES[0])],
        cwd=tmp_path,
        env=nowhere.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert "http://127.0.0.1:9/v1" in done.stderr
    assert "Traceback" not in done.stderr
