"""What Bedrock answers, scripted after AWS's public pages.

Events and whole answers: "ConverseStream" and "Converse" (Amazon Bedrock API Reference). Frames: "Event stream
encoding". Refusals: the errors of these pages, and "Common Errors". Text, ids and figures are made up here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

from llms.providers import registry
from llms.providers.base import Provider, ProviderSettings
from llms.providers.bedrock import Bedrock
from llms.testing.answers import CALLS, Answer, answer, body, pieces
from llms.testing.contract.setup import Setup
from llms.testing.fake_upstream import FakeUpstream
from llms.testing.seen import Seen
from llms.testing.steps import Step, head, raw

USAGE = {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}
Event = tuple[str, Mapping[str, Any]]


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    told = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(told) + len(payload), len(told))
    data = prelude + struct.pack(">I", crc32(prelude)) + told + payload
    return data + struct.pack(">I", crc32(data))


def encoded(kind: str, value: Any, *, message: str = "event") -> bytes:
    """Return an event, or an exception, as a frame."""
    payload = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    headers = {f":{message}-type": kind, ":content-type": "application/json", ":message-type": message}
    return frame(headers, payload)


def text(piece: str, at: int = 0) -> Event:
    return "contentBlockDelta", {"contentBlockIndex": at, "delta": {"text": piece}}


def thought(piece: str, at: int = 0, *, name: str = "text") -> Event:
    return "contentBlockDelta", {"contentBlockIndex": at, "delta": {"reasoningContent": {name: piece}}}


def stop(at: int = 0) -> Event:
    return "contentBlockStop", {"contentBlockIndex": at}


def called(name: str, arguments: str, *, at: int, call_id: str) -> list[Event]:
    start = {"contentBlockIndex": at, "start": {"toolUse": {"toolUseId": call_id, "name": name}}}
    deltas = [{"contentBlockIndex": at, "delta": {"toolUse": {"input": piece}}} for piece in pieces(arguments, 3)]
    return [("contentBlockStart", start), *(("contentBlockDelta", delta) for delta in deltas), stop(at)]


def ended(reason: str = "end_turn") -> list[Event]:
    return [("messageStop", {"stopReason": reason}), ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}})]


def streamed(*events: Event) -> Answer:
    told = [("messageStart", {"role": "assistant"}), *events]
    headers = {"Content-Type": "application/vnd.amazon.eventstream", "x-amzn-RequestId": "aws-1"}
    return answer(head(200, headers), *(raw(encoded(*event)) for event in told))


def whole(*content: Mapping[str, Any], reason: str = "end_turn") -> Answer:
    message = {"role": "assistant", "content": [*content]}
    return body({"output": {"message": message}, "stopReason": reason, "usage": USAGE, "metrics": {"latencyMs": 5}})


def either(stream: Answer, plain: Answer) -> Any:
    return lambda seen: stream if seen.path.endswith("/converse-stream") else plain


def telling(words: str) -> Any:
    return either(streamed(*map(text, pieces(words)), stop(), *ended()), whole({"text": words}))


def refused(
    status: int, message: str = "no luck", *, kind: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    named = {"x-amzn-errortype": f"{kind}:http://internal/"} if kind else {}
    return body({"message": message}, status=status, headers={**named, **(headers or {})})


class BedrockScripts(Setup):
    """The contract's scripts in Bedrock's words; and the provider in front of them."""

    keeps_unknown_fields = False
    lists_upstream_models = False
    row: Mapping[str, Any] = {}

    async def provider(self, upstream: FakeUpstream) -> Provider:
        row = {"base_url": upstream.url.removesuffix("/v1"), "region": "us-east-1", "api_key": self.key, **self.row}
        return Bedrock(ProviderSettings("up", "bedrock", registry.parse("bedrock", row)), self.resources)

    def script_text(self, upstream: FakeUpstream, text: str) -> None:
        upstream.script(telling(text))

    def script_echo(self, upstream: FakeUpstream) -> None:
        upstream.on(lambda seen: telling(self.asked(seen)[1])(seen))

    def script_tools(self, upstream: FakeUpstream, calls: Sequence[tuple[str, str]] = CALLS) -> None:
        made = [(name, arguments, f"tooluse_{at}") for at, (name, arguments) in enumerate(calls)]
        events = [e for at, (name, given, call) in enumerate(made) for e in called(name, given, at=at, call_id=call)]
        blocks = [
            {"toolUse": {"toolUseId": call, "name": name, "input": json.loads(given)}} for name, given, call in made
        ]
        upstream.script(either(streamed(*events, *ended("tool_use")), whole(*blocks, reason="tool_use")))

    def script_reasoning(self, upstream: FakeUpstream, reasoning: str, text: str) -> None:
        events = [*map(thought, pieces(reasoning)), thought("signed", name="signature"), stop()]
        said = [("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": text}}), stop(1)]
        thoughts = {"reasoningContent": {"reasoningText": {"text": reasoning, "signature": "signed"}}}
        upstream.script(either(streamed(*events, *said, *ended()), whole(thoughts, {"text": text})))

    def script_begun(self, upstream: FakeUpstream, pieces: Sequence[str], *last: Step) -> None:
        upstream.script(streamed(*map(text, pieces)).then(*last))

    def script_unfinished_ending(self, upstream: FakeUpstream, text: str) -> None:
        told = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
        upstream.script(streamed(told, ("messageStop", {"stopReason": "end_turn"})))

    def script_malformed(self, upstream: FakeUpstream) -> None:
        bad = [raw(encoded("contentBlockDelta", odd)) for odd in (b"{broken", b"\xff\xfe", b"", b"null", b"[]")]
        good = [raw(encoded(*text(letter))) for letter in "abcde"]
        middle = [step for pair in zip(good, bad, strict=True) for step in pair]
        upstream.script(streamed().then(*middle, *(raw(encoded(*event)) for event in (text("f"), *ended()))))

    def script_error(
        self,
        upstream: FakeUpstream,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        message: str = "no luck",
    ) -> None:
        upstream.script(refused(status, message, headers=headers))

    def script_error_event(self, upstream: FakeUpstream, pieces: Sequence[str], message: str) -> None:
        told = encoded("internalServerException", {"message": message}, message="exception")
        upstream.script(streamed(*map(text, pieces)).then(raw(told)))

    def script_overflow(self, upstream: FakeUpstream) -> None:
        upstream.script(refused(400, "Input is too long for requested model.", kind="ValidationException"))

    def asked(self, seen: Seen) -> tuple[str, str]:
        return seen.path.split("/")[2], seen.json["messages"][-1]["content"][-1]["text"]


def made(**row: Any) -> BedrockScripts:
    setup = BedrockScripts()
    setup.row = row
    return setup
