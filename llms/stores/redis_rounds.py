"""Commands of many streams that come in the same turn of the loop: sent to Redis together, answered to each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, final

from redis.exceptions import RedisError

from llms.stores.streams import StoreLost

Command = tuple[Any, ...]
AWAY: Final = (RedisError, OSError, TimeoutError, RuntimeError)
"""What the client raises where Redis cannot be reached; the last is uvloop's, for a connection that was just closed."""


@final
class Rounds:
    """Send what was asked for in one turn of the loop in one go; who asked first sends for all."""

    __slots__ = ("_asked", "_redis", "_sent")

    def __init__(self, redis: Any) -> None:
        """Take the client."""
        self._redis = redis
        self._asked: list[Command] = []
        self._sent: asyncio.Future[list[Any]] | None = None

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers, errors of Redis among them; raise StoreLost, or one of AWAY, for no answer."""
        start = len(self._asked)
        self._asked += commands
        if self._sent is None:
            answers = await self._send_all()
        else:
            answers = await asyncio.shield(self._sent)
        return answers[start : start + len(commands)]

    async def _send_all(self) -> list[Any]:
        sent = self._sent = asyncio.get_running_loop().create_future()
        try:
            await asyncio.sleep(0)  # all who were woken with us ask now
            asked, self._asked, self._sent = self._asked, [], None
            pipe = self._redis.pipeline(transaction=False)
            for command in asked:
                pipe.execute_command(*command)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        except BaseException:
            if self._sent is sent:
                self._asked, self._sent = [], None
            sent.set_exception(StoreLost("it did not take what was sent together"))
            sent.exception()  # perhaps nobody else asked
            raise
        sent.set_result(answers)
        return answers
