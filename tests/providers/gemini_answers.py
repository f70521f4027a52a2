"""What Gemini's API answers, scripted after Google's public pages.

Events and whole answers: "Generating content" (`GenerateContentResponse`, `UsageMetadata`, `FinishReason`). Function
calls: "Function calling". Signatures: "Thought signatures". Refusals: "Troubleshooting guide". Lists: "Models".
Vectors: "Embeddings". Text, ids and figures are made up here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms.providers.base import Provider, ProviderSettings
from llms.providers.gemini import Gemini, Options
from llms.testing.answers import CALLS, MODEL, Answer, Script, answer, body, pieces
from llms.testing.contract.setup import Setup
from llms.testing.fake_upstream import FakeUpstream
from llms.testing.plain_client import text_of
from llms.testing.seen import Seen
from llms.testing.steps import Step, event, raw

HEAD = {"modelVersion": MODEL, "responseId": "r-1"}
USAGE = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}


def said(*parts: Mapping[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    """Return one event; `more` are fields of the candidate."""
    candidate: dict[str, Any] = {"content": {"parts": [*parts], "role": "model"}, "index": index, **more}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": USAGE, **HEAD}


def text(piece: str, **more: Any) -> dict[str, Any]:
    return {"text": piece, **more}


def thought(piece: str) -> dict[str, Any]:
    return {"text": piece, "thought": True}


def called(name: str, args: Mapping[str, Any], *, signature: str = "", call_id: str = "") -> dict[str, Any]:
    call = {"name": name, "args": args, **({"id": call_id} if call_id else {})}
    return {"functionCall": call, **({"thoughtSignature": signature} if signature else {})}


def streamed(*events: Mapping[str, Any]) -> Answer:
    return answer(*map(event, events))


def either(*events: Mapping[str, Any]) -> Script:
    """Return what streams events, or gives all their parts as one answer, as the path asks."""
    parts = [part for each in events for held in each["candidates"] for part in held["content"]["parts"]]
    last = events[-1]["candidates"][0]
    whole = {**events[-1], "candidates": [{**last, "content": {"parts": parts, "role": "model"}}]}
    return lambda seen: streamed(*events) if ":streamGenerateContent?" in seen.path else body(whole)


def telling(words: str) -> Script:
    *before, last = [text(piece) for piece in pieces(words)] or [text("")]
    return either(*(said(part) for part in before), said(last, finish="STOP"))


def refused(
    status: int,
    message: str = "no luck",
    *details: Mapping[str, Any],
    word: str = "INVALID_ARGUMENT",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    told = {"code": status, "message": message, "status": word, "details": [*details]}
    return body({"error": told}, status=status, headers=headers)


def listed(ids: Sequence[str], **more: Any) -> Answer:
    rows = [
        {
            "name": f"models/{each}",
            "displayName": each.upper(),
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
            "thinking": True,
        }
        for each in ids
    ]
    return body({"models": rows, **more})


class GeminiScripts(Setup):
    """The contract's scripts in Gemini's words; and the provider in front of them."""

    keeps_unknown_fields = False
    row: Mapping[str, Any] = {}

    async def provider(self, upstream: FakeUpstream) -> Provider:
        address = upstream.url.replace("/v1", "/v1beta")
        options = Options(**{"base_url": address, "api_key": self.key, **self.row})
        return Gemini(ProviderSettings("up", "gemini", options), self.resources)

    def script_text(self, upstream: FakeUpstream, text: str) -> None:
        upstream.script(telling(text))

    def script_echo(self, upstream: FakeUpstream) -> None:
        def echoed(seen: Seen) -> Answer:
            script = telling(self.asked(seen)[1])
            return script(seen) if callable(script) else script

        upstream.on(echoed)

    def script_tools(self, upstream: FakeUpstream, calls: Sequence[tuple[str, str]] = CALLS) -> None:
        parts = [called(name, json.loads(arguments)) for name, arguments in calls]
        upstream.script(either(*map(said, parts), said(text(""), finish="STOP")))

    def script_reasoning(self, upstream: FakeUpstream, reasoning: str, text: str) -> None:
        events = [said(thought(piece)) for piece in pieces(reasoning)]
        upstream.script(either(*events, said({"text": text}), said(finish="STOP")))

    def script_begun(self, upstream: FakeUpstream, pieces: Sequence[str], *last: Step) -> None:
        upstream.script(streamed(*(said(text(piece)) for piece in pieces)).then(*last))

    def script_unfinished_ending(self, upstream: FakeUpstream, text: str) -> None:
        ending = f"data: {json.dumps(said({'text': text}, finish='STOP'))}"
        upstream.script(answer(raw(ending.encode())))

    def script_malformed(self, upstream: FakeUpstream) -> None:
        bad = (
            b"data: {broken\n\n",
            b"data: \xff\xfe\n\n",
            b"junk without a colon\n\n",
            b"data: null\n\n",
            b"data: []\n\n",
        )
        good = [event(said(text(letter))) for letter in "abcde"]
        middle = [step for pair in zip(good, map(raw, bad), strict=True) for step in pair]
        upstream.script(answer(*middle, event(said(text("f"), finish="STOP"))))

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
        told = {"error": {"code": 500, "message": message, "status": "INTERNAL"}}
        upstream.script(streamed(*(said(text(piece)) for piece in pieces), told))

    def script_overflow(self, upstream: FakeUpstream) -> None:
        words = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
        upstream.script(refused(400, words))

    def script_models(self, upstream: FakeUpstream, ids: Sequence[str]) -> None:
        upstream.models(listed(ids))

    def asked(self, seen: Seen) -> tuple[str, str]:
        model = seen.path.partition("/models/")[2].partition(":")[0]
        return model, seen.json["contents"][-1]["parts"][-1]["text"]


def made(**row: Any) -> GeminiScripts:
    setup = GeminiScripts()
    setup.row = row
    return setup


def words_of(setup: Setup, chunks: Any) -> str:
    return text_of(setup.conformed(chunks))
