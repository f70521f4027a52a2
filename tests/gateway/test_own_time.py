"""Our own time around an upstream's, told to observers by component."""

from __future__ import annotations

from itertools import count

from llms.protocol.events import RequestEnded
from llms.testing.fake_upstream import FakeUpstream, reply
from tests.proxy import ask, chat, one_upstream, serving

FAST = "server: {fast_path: true}\n"


async def test_a_whole_answer_has_a_time_before_and_one_after_the_upstream() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream, more=FAST)) as proxy:
        upstream.script(reply("Hello"))
        readings = count(100.0)
        proxy.engine.gateway.clock = lambda: next(readings)
        await ask(proxy, chat(stream=False))
        await ask(proxy, chat(stream=True))
        await proxy.all_ended(2)

    whole, streamed = [event for event in proxy.events if isinstance(event, RequestEnded)]
    assert whole.overhead >= 1.0
    assert whole.after_upstream is not None
    assert 1.0 <= whole.after_upstream < whole.duration - whole.overhead
    assert streamed.after_upstream is None
