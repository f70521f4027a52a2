"""Bedrock's Converse API, scripted and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llms.testing.answers import Answer, Script, body, pieces
from llms.testing.steps import raw
from tests.matrix.facts import Asked, Call, Facts, Turn, canonical
from tests.matrix.upstreams import BROKEN, SLOW_DOWN, STOP, given, texts
from tests.providers import bedrock_answers


class Bedrock:
    """`Converse` and `ConverseStream`."""

    def says(self, facts: Facts, signature: str = "") -> Script:
        events: list[Any] = []
        whole: list[Any] = []
        if facts.thought:
            events += [bedrock_answers.thought(piece) for piece in pieces(facts.thought)]
            events += [bedrock_answers.thought(signature, name="signature"), bedrock_answers.stop()]
            whole.append({"reasoningContent": {"reasoningText": {"text": facts.thought, "signature": signature}}})
        if facts.text:
            at = len(whole)
            events += [*(bedrock_answers.text(piece, at) for piece in pieces(facts.text)), bedrock_answers.stop(at)]
            whole.append({"text": facts.text})
        for call in facts.calls:
            events += bedrock_answers.called(call.name, given(call), at=len(whole), call_id=call.id)
            used = {"toolUseId": call.id, "name": call.name, "input": json.loads(call.arguments)}
            whole.append({"toolUse": used})
        stop, usage = STOP[facts.stop].replace("refusal", "content_filtered"), self._usage(facts)
        ends = [("messageStop", {"stopReason": stop}), ("metadata", {"usage": usage})]
        message = {"role": "assistant", "content": whole}
        plain = body({"output": {"message": message}, "stopReason": stop, "usage": usage})
        return bedrock_answers.either(bedrock_answers.streamed(*events, *ends), plain)

    def refuses(self) -> Script:
        return bedrock_answers.refused(429, SLOW_DOWN, kind="ThrottlingException", headers={"Retry-After": "7"})

    def breaks(self, text: str) -> Answer:
        told = bedrock_answers.encoded("internalServerException", {"message": BROKEN}, message="exception")
        return bedrock_answers.streamed(*map(bedrock_answers.text, pieces(text))).then(raw(told))

    def asked(self, sent: Any) -> Asked:
        system = [Turn("system", block["text"]) for block in sent.get("system", ())]
        config = sent.get("toolConfig", {})
        specs = [tool["toolSpec"] for tool in config.get("tools", ())]
        tools = tuple(canonical([spec["name"], spec["inputSchema"]["json"]]) for spec in specs)
        form = sent.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {})
        turns = [turn for message in sent["messages"] for turn in self._turns(message)]
        schema = canonical(form["schema"]) if form else ""
        choice = config.get("toolChoice", {"auto": {}})
        way = choice["tool"]["name"] if "tool" in choice else "required" if "any" in choice else "auto"
        limit, thinks = sent["inferenceConfig"]["maxTokens"], "effort" in sent.get("outputConfig", {})
        return Asked((*system, *turns), tools, way, schema, limit, thinks)

    def _turns(self, message: Any) -> Sequence[Turn]:
        blocks = message["content"]
        results = [block["toolResult"] for block in blocks if "toolResult" in block]
        if results:
            assert len(results) == len(blocks)
            return [Turn("tool", texts(one["content"]), call_id=one["toolUseId"]) for one in results]
        used = [block["toolUse"] for block in blocks if "toolUse" in block]
        images = [block["image"] for block in blocks if "image" in block]
        thoughts = [block["reasoningContent"]["reasoningText"] for block in blocks if "reasoningContent" in block]
        return [
            Turn(
                message["role"],
                texts(blocks),
                tuple(Call(one["toolUseId"], one["name"], canonical(one["input"])) for one in used),
                image="".join(f"image/{image['format']},{image['source']['bytes']}" for image in images),
                signature="".join(thought["signature"] for thought in thoughts),
            )
        ]

    def _usage(self, facts: Facts) -> dict[str, int]:
        spent = facts.usage
        return {
            "inputTokens": spent.prompt - spent.cached - spent.written,
            "cacheReadInputTokens": spent.cached,
            "cacheWriteInputTokens": spent.written,
            "outputTokens": spent.answer,
        }
