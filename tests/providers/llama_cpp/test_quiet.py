"""A process with local models: it prints nothing and its signals stay its own, whatever a library does by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llms.providers import discover
from tests.providers.llama_cpp.gguf_files import model

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(not discover.libraries(), reason="needs a library: pip install 'llms[local]'"),
]
ROOT = Path(__file__).parents[3]

PROGRAM = """
import asyncio, logging, signal, sys, time
import structlog
from llms.providers.base import ProviderSettings
from llms.providers.llama_cpp import LlamaCpp, Options
from llms.protocol.chat import ChatRequest

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

class Lent:
    clock = staticmethod(time.monotonic)

async def main():
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    row = Options.read({"models": {"demo": {"path": "embedded"}, "bad": {"path": sys.argv[1]}}})
    provider = LlamaCpp(ProviderSettings("local", "llama_cpp", row), Lent())
    for model in ("demo", "bad"):
        body = {"messages": [{"role": "user", "content": "tell me a story"}]}
        try:
            async for _ in provider.chat(ChatRequest(body, model)):
                pass
        except Exception as error:
            print(type(error).__name__, flush=True)
    print("ready", flush=True)
    await stopped.wait()
    await provider.close()
    print("stopped", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_loaded_model_is_quiet_and_leaves_signals_alone(tmp_path: Path, number: signal.Signals) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(model())
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(bad)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "UpstreamOutOfService\n"
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (out, err, process.returncode) == ("stopped\n", "", 0)
