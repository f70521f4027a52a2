"""The server that is measured, in a process of its own: `python -m llms.cli.bench_server UPSTREAM_PORT`.

It tells its port in a line, then answers each line that it reads with one of JSON: `cpu` with the seconds of processor
time that it has used, `parts` with the microseconds of each component. It ends with its input.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from aiohttp import web

from llms.app import Engine
from llms.cli.bench_parts import Parts
from llms.cli.bench_script import KEY, MODEL
from llms.cli.running import loop_factory
from llms.config.load import loads
from llms.providers import registry
from llms.server.runner import Runner
from llms.telemetry.batched import Batched
from llms.telemetry.log import RequestLog, configure
from llms.telemetry.redact import Redactor

_UPSTREAM_KEY: Final = "sk-bench-upstream"
_FILE: Final = """
providers:
  bench: {{type: openai_compatible, base_url: "http://127.0.0.1:{port}/v1", api_key: {upstream_key}}}
models:
  {model}: {{targets: [bench/scripted]}}
keys: {{required: true, static: [{key}]}}
discover: false
"""


async def serve(upstream_port: int, folder: Path) -> None:
    """Serve with everything on, as `llms serve` does, until the input ends; the log and all data go into a folder."""
    text = _FILE.format(port=upstream_port, model=MODEL, key=KEY, upstream_key=_UPSTREAM_KEY)
    config = loads(text, filename="bench", environ={}, validate_options=registry.validate)
    with (folder / "log").open("wb") as stream:
        lines = Batched(stream)
        log = configure(level="info", pretty=False, stream=lines, redactor=Redactor({KEY, _UPSTREAM_KEY}))
        parts = Parts(upstream_port, lines)
        engine = Engine(config, environ={"LLMS_DATA_DIR": str(folder)}, observers=[RequestLog(log), parts.note])
        runner = Runner(engine.application())
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            print(runner.addresses[0][1], flush=True)
            await _answer(engine, runner, parts)
        finally:
            await runner.cleanup()
            lines.close()


async def _answer(engine: Engine, runner: Runner, parts: Parts) -> None:
    """Answer what is asked on the input until it ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = await parts.measure(engine, runner) if line.strip() == "parts" else time.process_time()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory(prefix="llms-bench-") as place,
        asyncio.Runner(loop_factory=loop_factory()) as loop,
    ):
        loop.run(serve(int(sys.argv[1]), Path(place)))
