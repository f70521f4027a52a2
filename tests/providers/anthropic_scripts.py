"""How an upstream says each thing in Messages; the shapes are those of llms.testing.messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms.providers.anthropic import Anthropic, Options
from llms.providers.base import ProviderSettings
from llms.testing.answers import CALLS, Answer, body, either, pieces
from llms.testing.contract.setup import Setup
from llms.testing.fake_upstream import FakeUpstream, Script
from llms.testing.messages import (
    PING,
    STOP,
    block,
    delta,
    event,
    failure,
    message,
    message_event,
    start,
    stream,
)
from llms.testing.seen import Seen
from llms.testing.steps import Step, raw


def text_block(at: int, said: Sequence[str]) -> bytes:
    return block(at, {"type": "text", "text": ""}, *(delta("text", piece) for piece in said))


def text_reply(text: str) -> Script:
    streamed = stream(start(), PING, text_block(0, pieces(text)), message_event(), STOP)
    return either(streamed, body(message([{"type": "text", "text": text}])))


def thinking_block(at: int, said: Sequence[str], signature: str = "sig") -> bytes:
    deltas = [*(delta("thinking", piece) for piece in said), delta("signature", signature)]
    return block(at, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)


def call_block(at: int, name: str, arguments: str, identity: str) -> bytes:
    begun = {"type": "tool_use", "id": identity, "name": name, "input": {}}
    return block(at, begun, delta("input_json", ""), *(delta("input_json", piece) for piece in pieces(arguments, 3)))


class AnthropicScripts(Setup):
    """The provider in front of an upstream of its own dialect."""

    keeps_unknown_fields = False
    options: Mapping[str, Any] | None = None

    async def provider(self, upstream: FakeUpstream) -> Anthropic:
        options = Options(**{"base_url": upstream.url, "api_key": self.key, **(self.options or {})})
        return Anthropic(ProviderSettings("up", "anthropic", options), self.resources)

    def script_text(self, upstream: FakeUpstream, text: str) -> None:
        upstream.script(text_reply(text))

    def script_echo(self, upstream: FakeUpstream) -> None:
        def said(seen: Seen) -> Answer:
            scripted = text_reply(self.asked(seen)[1])
            return scripted(seen) if callable(scripted) else scripted

        upstream.on(said)

    def script_tools(self, upstream: FakeUpstream, calls: Sequence[tuple[str, str]] = CALLS) -> None:
        blocks = [call_block(at, name, arguments, f"toolu_{at}") for at, (name, arguments) in enumerate(calls)]
        whole = [
            {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": json.loads(arguments)}
            for at, (name, arguments) in enumerate(calls)
        ]
        streamed = stream(start(), *blocks, message_event("tool_use"), STOP)
        upstream.script(either(streamed, body(message(whole, stop="tool_use"))))

    def script_reasoning(self, upstream: FakeUpstream, reasoning: str, text: str) -> None:
        thought = {"type": "thinking", "thinking": reasoning, "signature": "sig"}
        streamed = (thinking_block(0, pieces(reasoning)), text_block(1, pieces(text)))
        upstream.script(
            either(
                stream(start(), *streamed, message_event(), STOP),
                body(message([thought, {"type": "text", "text": text}])),
            )
        )

    def script_begun(self, upstream: FakeUpstream, pieces: Sequence[str], *last: Step) -> None:
        begun = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        said = [event("content_block_delta", index=0, delta=delta("text", piece)) for piece in pieces]
        upstream.script(stream(start(), begun, *said).then(*last))

    def script_unfinished_ending(self, upstream: FakeUpstream, text: str) -> None:
        upstream.script(stream(start(), text_block(0, pieces(text)), message_event()))

    def script_malformed(self, upstream: FakeUpstream) -> None:
        bad = (b"data: {broken\n\n", b"event: content_block_delta\ndata: []\n\n", b"data: null\n\n")
        begun = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        said = [
            each
            for place, letter in enumerate("abcdef")
            for each in (event("content_block_delta", index=0, delta=delta("text", letter)), bad[place % len(bad)])
        ]
        upstream.script(stream(start(), begun, *said, event("content_block_stop", index=0), message_event(), STOP))

    def script_error(
        self,
        upstream: FakeUpstream,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        message: str = "no luck",
    ) -> None:
        upstream.script(failure(status, "api_error", message, headers))

    def script_error_event(self, upstream: FakeUpstream, pieces: Sequence[str], message: str) -> None:
        self.script_begun(upstream, pieces, raw(event("error", error={"type": "api_error", "message": message})))

    def script_overflow(self, upstream: FakeUpstream) -> None:
        upstream.script(failure(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"))

    def asked(self, seen: Seen) -> tuple[str, str]:
        return seen.json["model"], seen.json["messages"][-1]["content"]
