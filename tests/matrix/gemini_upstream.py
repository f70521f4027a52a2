"""Gemini's own API, scripted and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llms.testing.answers import Answer, Script, pieces
from tests.matrix.facts import Asked, Call, Facts, Turn, canonical
from tests.matrix.upstreams import BROKEN, SLOW_DOWN
from tests.providers import gemini_answers


class Gemini:
    """`generateContent`; the first call is signed, not the thought."""

    def says(self, facts: Facts, signature: str = "") -> Script:
        parts: list[Any] = [gemini_answers.thought(piece) for piece in pieces(facts.thought)]
        parts += [gemini_answers.text(piece) for piece in pieces(facts.text)]
        for at, call in enumerate(facts.calls):
            signed = "" if at else signature
            args = json.loads(call.arguments)
            parts.append(gemini_answers.called(call.name, args, signature=signed, call_id=call.id))
        spent = facts.usage
        usage = {
            "promptTokenCount": spent.prompt,
            "candidatesTokenCount": spent.answer - spent.thought,
            "thoughtsTokenCount": spent.thought,
            "cachedContentTokenCount": spent.cached,
        }
        finish = {"length": "MAX_TOKENS", "filtered": "SAFETY"}.get(facts.stop, "STOP")
        told = [*map(gemini_answers.said, parts), gemini_answers.said(finish=finish)]
        return gemini_answers.either(*({**one, "usageMetadata": usage} for one in told))

    def refuses(self) -> Script:
        return gemini_answers.refused(429, SLOW_DOWN, word="RESOURCE_EXHAUSTED", headers={"Retry-After": "7"})

    def breaks(self, text: str) -> Answer:
        told = {"error": {"code": 500, "message": BROKEN, "status": "INTERNAL"}}
        said = [gemini_answers.said(gemini_answers.text(piece)) for piece in pieces(text)]
        return gemini_answers.streamed(*said, told)

    def asked(self, sent: Any) -> Asked:
        system = [Turn("system", part["text"]) for part in sent.get("systemInstruction", {}).get("parts", ())]
        declared = [one for tool in sent.get("tools", ()) for one in tool["functionDeclarations"]]
        tools = tuple(canonical([one["name"], one["parametersJsonSchema"]]) for one in declared)
        config = sent["generationConfig"]
        form = config.get("responseJsonSchema")
        turns = [turn for content in sent["contents"] for turn in self._turns(content)]
        calling = sent.get("toolConfig", {}).get("functionCallingConfig", {"mode": "AUTO"})
        [way] = calling.get("allowedFunctionNames", [{"ANY": "required", "AUTO": "auto"}[calling["mode"]]])
        thinks = config.get("thinkingConfig", {}).get("thinkingLevel") == "LOW"
        return Asked((*system, *turns), tools, way, canonical(form) if form else "", config["maxOutputTokens"], thinks)

    def _turns(self, content: Any) -> Sequence[Turn]:
        parts = content["parts"]
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if results:
            assert len(results) == len(parts)
            return [Turn("tool", one["response"]["output"], call_id=one["id"]) for one in results]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        blobs = [part["inlineData"] for part in parts if "inlineData" in part]
        return [
            Turn(
                {"model": "assistant"}.get(content["role"], content["role"]),
                "".join(part.get("text", "") for part in parts),
                tuple(Call(one["id"], one["name"], canonical(one["args"])) for one in calls),
                image="".join(f"{blob['mimeType']},{blob['data']}" for blob in blobs),
                signature="".join(part.get("thoughtSignature", "") for part in parts),
            )
        ]
