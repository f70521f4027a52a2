"""Kept answers in Redis: one hash each, and for each shelf a sorted set of their keys and a hash of their sizes.

What ran out is still counted until it is the oldest of its shelf: a full shelf drops from its oldest end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from llms.stores.answers import AnswerStore, KeptAnswer
from llms.stores.redis_rounds import AWAY

_log = structlog.get_logger()
_PATIENCE: Final = 1.0
"""Seconds for Redis to answer: an answer that is kept has to be faster than the upstream."""
_PUT: Final = """
local answer, order, sizes = KEYS[1], KEYS[2], KEYS[3]
local key, size, most, ttl = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('DEL', answer)
redis.call('HSET', answer, 'p', ARGV[6], 'm', ARGV[7], 'b', ARGV[8], 'n', ARGV[9])
redis.call('PEXPIRE', answer, ttl)
local before = tonumber(redis.call('HGET', sizes, key) or 0)
local total = redis.call('HINCRBY', sizes, '', size - before)
redis.call('HSET', sizes, key, size)
redis.call('ZADD', order, ARGV[5], key)
while total > most do
  local oldest = redis.call('ZPOPMIN', order)[1]
  if not oldest then break end
  total = redis.call('HINCRBY', sizes, '', -tonumber(redis.call('HGET', sizes, oldest) or 0))
  redis.call('HDEL', sizes, oldest)
  redis.call('DEL', ARGV[10] .. oldest)
end
for _, name in ipairs({order, sizes}) do
  if redis.call('PTTL', name) < ttl then redis.call('PEXPIRE', name, ttl) end
end
"""


@final
class RedisAnswers:
    """Keep answers in one Redis, under names that begin with `llms:`; while it is lost there are none."""

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        """Take `redis://…` or `rediss://…`; connections are made when they are needed."""
        self._now = now
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._put: Any = self._redis.register_script(_PUT)
        self._is_lost = False

    async def get(self, shelf: str, key: str) -> KeptAnswer | None:
        """Return an answer that is kept; None where there is none."""
        found = await self._reach(self._redis.hgetall(_prefix(shelf) + key))
        if not found:
            return None
        return KeptAnswer(found[b"p"].decode(), found[b"m"].decode(), found[b"b"], found[b"n"])

    async def put(self, shelf: str, key: str, answer: KeptAnswer, *, ttl: float, max_size: int) -> None:
        """Keep an answer for `ttl` seconds; the oldest go where the shelf has more than `max_size` bytes then."""
        if answer.size > max_size:
            return
        prefix = _prefix(shelf)
        keys = [prefix + key, f"{prefix}order", f"{prefix}sizes"]
        given = [key, answer.size, max_size, round(ttl * 1000), self._now()]
        told = [_text(answer.provider), _text(answer.model), answer.body, answer.native]
        await self._reach(self._put(keys=keys, args=[*given, *told, prefix]))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _reach(self, work: Any) -> Any:
        """Return what Redis answers; None, and a line in the log, while it cannot be reached."""
        try:
            found = await work
        except AWAY as problem:
            if not self._is_lost:
                self._is_lost = True
                _log.error("the store of answers is lost; nothing is kept until it is back", problem=str(problem))
            _raise_cancelled()
            return None
        if self._is_lost:
            self._is_lost = False
            _log.info("the store of answers is back")
        return found


def _raise_cancelled() -> None:
    """Let no cancellation be lost: the client's short timeouts swallow one that comes in the same turn of the loop."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _prefix(shelf: str) -> str:
    return f"llms:answers:{{{shelf}}}:"


def _text(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


_: type[AnswerStore] = RedisAnswers
