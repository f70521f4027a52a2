"""Clients that come back until their stream is over, and what each of them has to have in the end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from llms.testing.answers import Answer
from llms.testing.fake_upstream import text_stream
from llms.testing.seen import Seen
from tests.proxy import chat

STREAMS: Final = int(os.environ.get("LLMS_CHAOS", "20"))
"""How many streams a chaotic test has; `make chaos` takes more."""
PIECES: Final = 300
CUTS: Final = 3
LONGEST: Final = 15_000
"""Bytes of an answer before a cut; a whole one has some 60,000."""
PATIENCE: Final = 60.0 + STREAMS / 2
PLENTY: Final = "resume: {streams: 5000, streams_per_caller: 5000, memory: 1GiB}\n"


def text_for(tag: str) -> str:
    return "".join(f"{tag}-{n} " for n in range(PIECES))


def tag_of(seen: Seen) -> str:
    return str(seen.json["messages"][0]["content"])


def paced(seen: Seen) -> Answer:
    return text_stream(text_for(tag_of(seen))).paced(0.001)


@dataclass
class Reader:
    """A client that comes back until its stream is over, to one port after the other."""

    tag: str
    ports: Sequence[int]
    rng: random.Random
    frames: list[bytes] = field(default_factory=list)
    stream_id: str = ""
    connections: int = 0
    error: dict[str, Any] | None = None

    async def read(self, http: aiohttp.ClientSession) -> Reader:
        """Read to the end; an error that says so, a refusal and a broken connection are come back from."""
        while not self._is_over:
            try:
                async with self._request(http) as answer:
                    if answer.status == 200:
                        self.stream_id = answer.headers["X-LLMS-Stream-Id"]
                        await self._take(answer.content)
                    else:
                        assert answer.status in (404, 503), await answer.text()
                        await asyncio.sleep(0.1)
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(self.rng.uniform(0, 0.05))
        return self

    @property
    def body(self) -> bytes:
        return b"".join(self.frames)

    @property
    def text(self) -> str:
        events = [json.loads(frame.partition(b"data: ")[2]) for frame in self.frames if b"[DONE]" not in frame]
        choices = [choice for event in events for choice in event.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def _is_over(self) -> bool:
        return bool(self.frames) and (self.error is not None or b"data: [DONE]" in self.frames[-1])

    def _request(self, http: aiohttp.ClientSession) -> Any:
        port = self.ports[self.connections % len(self.ports)]
        cut = {"x-cut-after": str(self.rng.randint(1000, LONGEST))} if self.connections < CUTS else {}
        self.connections += 1
        if self.stream_id:
            url = f"http://127.0.0.1:{port}/v1/streams/{self.stream_id}"
            return http.get(url, headers={**cut, "Last-Event-ID": str(len(self.frames))})
        body = chat(messages=[{"role": "user", "content": self.tag}])
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        return http.post(url, json=body, headers={**cut, "X-LLMS-Stream": "resumable"})

    async def _take(self, content: aiohttp.StreamReader) -> None:
        """Take whole events; each must be the next one."""
        pending = b""
        async for data in content.iter_any():
            *whole, pending = (pending + data).split(b"\n\n")
            for frame in whole:
                frame = frame.removeprefix(b": ping\n")
                told = json.loads(frame.partition(b"data: ")[2]) if b'"error"' in frame else {}
                if told.get("error", {}).get("resumable"):
                    return
                assert frame.startswith(b"id: %d\n" % (len(self.frames) + 1)), f"{self.tag}: lost or doubled: {frame!r}"
                self.frames.append(frame + b"\n\n")
                self.error = told.get("error")


def readers_of(ports: Sequence[int], count: int, *, seed: int, prefix: str = "s") -> list[Reader]:
    """Return readers whose connections are cut at points that the seed decides."""
    rng = random.Random(seed)
    return [Reader(f"{prefix}{n}", ports, random.Random(rng.random())) for n in range(count)]


async def all_read(readers: Sequence[Reader]) -> None:
    """Let all of them read at once, to the end."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.timeout(PATIENCE):
        await asyncio.gather(*(reader.read(http) for reader in readers))


async def plain_bytes(port: int, tag: str) -> bytes:
    """Return the events of the plain stream."""
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    body = chat(messages=[{"role": "user", "content": tag}])
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        return await answer.read()


def check_whole(readers: Sequence[Reader]) -> None:
    """Check that each text is the upstream's, to the byte."""
    for reader in readers:
        assert reader.error is None, reader.error
        assert reader.text == text_for(reader.tag)
        assert reader.connections > CUTS


def check_bytes(reader: Reader, plain: bytes) -> None:
    """Check that a stream is the plain one, with ids."""
    parts = plain.split(b"\n\n")[:-1]
    assert reader.body == b"".join(b"id: %d\n%b\n\n" % item for item in enumerate(parts, 1))


def tell(what: str, readers: Sequence[Reader]) -> None:
    """Print what was read, for `make chaos`."""
    events = sum(len(reader.frames) for reader in readers)
    connections = sum(reader.connections for reader in readers)
    whole = sum(reader.error is None for reader in readers)
    print(f"{what}: {len(readers)} streams, {events} events over {connections} connections, {whole} whole")


@contextmanager
def many_files() -> Generator[None, None, None]:
    """Allow as many open files as all streams need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = max(soft, 16 * STREAMS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough if hard == resource.RLIM_INFINITY else min(enough, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
