"""Streams in Redis: one Redis Stream each, in entries of some events, and one hash of facts.

An entry's id is `<id of its last event>-1`, so that what follows an event is what is greater than `<its id>-1`. A
stream that is over has an entry of the greatest id there is, after which Redis takes none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from llms.stores.redis_rounds import AWAY, Command, Rounds
from llms.stores.streams import Facts, Read, StoreLost, StreamStore, Taken

_ENTRY: Final = 20
"""Events of one entry at most."""
_READ: Final = 50
"""Entries of one look at most."""
_MAX: Final = 2**64 - 1
_LAST_WORD, _OVER = f"{_MAX}-1", f"{_MAX}-2"
_PATIENCE: Final = 5.0
"""Seconds for Redis to answer."""
_CONNECTIONS: Final = 10_000
"""Each reader waits on one of its own."""

Entry = tuple[bytes, Mapping[bytes, bytes]]


@final
class RedisStreams:
    """Keep streams in one Redis, under names that begin with `llms:`."""

    def __init__(self, url: str) -> None:
        """Take `redis://…` or `rediss://…`; connections are made when they are needed."""
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            max_connections=_CONNECTIONS,
            # Once, and at once: after a restart of Redis, connections of before it are still at hand.
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._rounds = Rounds(self._redis)

    async def top(self, stream_id: str) -> int:
        """Return the id of the last event that is kept; 0 when there is none. Raise Taken when it is over."""
        async with _reaching():
            found: list[Entry] = await self._redis.xrevrange(_events(stream_id), count=1)
        if not found:
            return 0
        entry_id = found[0][0].decode()
        if entry_id in (_LAST_WORD, _OVER):
            raise Taken(stream_id)
        return int(entry_id.partition("-")[0])

    async def first(self, stream_id: str) -> int:
        """Return the id of the oldest event that is kept; 1 when there is none."""
        async with _reaching():
            found: list[Entry] = await self._redis.xrange(_events(stream_id), count=1)
        return int(found[0][1].get(b"f", b"1")) if found else 1

    async def write(self, stream_id: str, events: Sequence[tuple[int, bytes]], *, ttl: float | None = None) -> None:
        """Add events; with `ttl`, begin the stream if need be, and keep it for so many seconds from now.

        Raise StoreLost also when Redis has forgotten the stream, as after a restart, or does not take what follows.
        """
        key = _events(stream_id)
        known = ("NOMKSTREAM",) if ttl is None else ()
        commands: list[Command] = []
        for start in range(0, len(events), _ENTRY):
            some = events[start : start + _ENTRY]
            data = b"".join([data for _, data in some])
            commands.append(("XADD", key, *known, f"{some[-1][0]}-1", "f", some[0][0], "d", data))
        if ttl is not None:
            commands += [("PEXPIRE", name, round(ttl * 1000)) for name in (key, _facts(stream_id))]
        async with _reaching():
            answers = await self._rounds.send(commands)
        if any(not answer or isinstance(answer, RedisError) for answer in answers):
            raise StoreLost("Redis has forgotten the stream, or has more of it")

    async def forget(self, stream_id: str) -> None:
        """Drop a stream."""
        async with _reaching():
            await self._redis.delete(_events(stream_id), _facts(stream_id))

    async def note(self, stream_id: str, facts: Facts, *, ttl: float) -> None:
        """Set the facts of a stream, and drop its events before the first."""
        key = _facts(stream_id)
        pipe = self._redis.pipeline()
        pipe.hset(key, mapping={name: _told(value) for name, value in facts._asdict().items()})
        pipe.pexpire(key, round(ttl * 1000))
        if facts.first > 1:
            pipe.xtrim(_events(stream_id), minid=f"{facts.first}-0")
        async with _reaching():
            await pipe.execute()

    async def end(self, stream_id: str, facts: Facts, *, ttl: float, event: tuple[int, bytes] | None = None) -> bool:
        """Close a stream, with one more event if given; return False when it was closed by another."""
        key = _events(stream_id)
        pipe = self._redis.pipeline(transaction=True)
        if event is not None:
            pipe.xadd(key, _entry([event]), id=_LAST_WORD)
        pipe.xadd(key, {"s": facts.status}, id=_OVER)
        pipe.pexpire(key, round(ttl * 1000))
        async with _reaching():
            try:
                await pipe.execute()
            except ResponseError:
                return False
        await self.note(stream_id, facts, ttl=ttl)
        return True

    async def facts(self, stream_id: str) -> Facts | None:
        """Return what is known of a stream; None when it is not kept."""
        async with _reaching():
            found: dict[bytes, bytes] = await self._redis.hgetall(_facts(stream_id))
        told = {name.decode(): value.decode("utf-8", "surrogatepass") for name, value in found.items()}
        if not told:
            return None
        try:
            return Facts(
                owner=told["owner"],
                node=told["node"],
                status=told["status"],
                last=int(told["last"]),
                first=int(told["first"]),
                gone=told["gone"],
                gone_is_whole=told["gone_is_whole"] == "1",
                error=told["error"],
                usage=told["usage"],
                finish_reason=told.get("finish_reason", ""),  # servers of before did not write it
            )
        except (KeyError, ValueError) as problem:
            raise StoreLost(f"{_facts(stream_id)} holds something else") from problem

    async def read(self, stream_id: str, *, after: int, wait: float) -> Read:
        """Return the events after one, as far as they are there; wait up to `wait` seconds for the first."""
        key = _events(stream_id)
        block = round(wait * 1000) or None
        async with _reaching():
            found = await self._redis.xread({key: f"{after}-1"}, count=_READ, block=block)
        events: list[tuple[int, bytes]] = []
        for entry_id, fields in found[0][1] if found else ():
            if entry_id == _OVER.encode():
                return Read(events, is_over=True)
            events += _events_of(entry_id, fields, after=events[-1][0] if events else after)
            if entry_id == _LAST_WORD.encode():
                return Read(events, is_over=True)
        return Read(events, is_over=False)

    async def beat(self, node: str, *, seconds: float) -> None:
        """Let a process count as alive for some seconds."""
        async with _reaching():
            await self._redis.set(_node(node), b"1", px=round(seconds * 1000))

    async def is_alive(self, node: str) -> bool:
        """Tell whether a process counts as alive."""
        async with _reaching():
            return bool(await self._redis.exists(_node(node)))

    async def send(self, node: str, message: str) -> bool:
        """Send a process a message; return False when it does not listen."""
        async with _reaching():
            return bool(await self._redis.publish(_node(node), message.encode()))

    async def messages(self, node: str) -> AsyncGenerator[str, None]:
        """Yield the messages to a process, until the store is lost."""
        async with _reaching(), self._redis.pubsub() as subscribed:
            await subscribed.subscribe(_node(node))
            while True:
                message = await subscribed.get_message(ignore_subscribe_messages=True, timeout=_PATIENCE / 2)
                if message is not None:
                    yield message["data"].decode("utf-8", "replace")

    async def close(self) -> None:
        """Leave."""
        await self._redis.aclose()


def _events(stream_id: str) -> str:
    return f"llms:{{{stream_id}}}:events"


def _facts(stream_id: str) -> str:
    return f"llms:{{{stream_id}}}:facts"


def _node(node: str) -> str:
    return f"llms:node:{node}"


def _entry(events: Sequence[tuple[int, bytes]]) -> dict[str, Any]:
    return {"f": events[0][0], "d": b"".join(data for _, data in events)}


def _events_of(entry_id: bytes, fields: Mapping[bytes, bytes], *, after: int) -> list[tuple[int, bytes]]:
    """Return the events of an entry that follow one; a last word follows whatever is there."""
    frames = [part + b"\n\n" for part in fields[b"d"].split(b"\n\n") if part]
    first = after + 1 if entry_id == _LAST_WORD.encode() else int(fields[b"f"])
    return [(at, frame) for at, frame in enumerate(frames, first) if at > after]


def _told(value: object) -> bytes:
    text = str(int(value)) if isinstance(value, bool) else str(value)
    return text.encode("utf-8", "surrogatepass")


@asynccontextmanager
async def _reaching() -> AsyncGenerator[None, None]:
    """Make one error of whatever the client raises, and let no cancellation be lost in it.

    Its short timeouts swallow a cancellation that comes in the same turn of the loop.
    """
    try:
        yield
    except AWAY as problem:
        raise StoreLost(str(problem)) from problem
    finally:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


_: type[StreamStore] = RedisStreams
