"""Anthropic's Messages, asked and read plainly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tests.matrix.client import STEADY, STOPS, Event, Json
from tests.matrix.facts import Call, Case, Facts, Failure, Spent, canonical


class Messages:
    """Anthropic's Messages."""

    name, path = "Messages", "/v1/messages"

    def body(self, case: Case, model: str) -> Json:
        content: Any = case.question
        if case.image:
            media, data = case.image.split(",")
            source = {"type": "base64", "media_type": media, "data": data}
            content = [{"type": "text", "text": case.question}, {"type": "image", "source": source}]
        body: Json = {"model": model, "max_tokens": case.limit, "messages": [{"role": "user", "content": content}]}
        if case.system:
            body["system"] = case.system
        if case.tools:
            body["tools"] = [
                {"name": tool["name"], "description": tool["description"], "input_schema": tool["schema"]}
                for tool in case.tools
            ]
            ways = {"auto": {"type": "auto"}, "required": {"type": "any"}}
            body["tool_choice"] = ways.get(case.choice, {"type": "tool", "name": case.choice})
        if case.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": case.schema}}
        if case.thinks:
            return body | {"thinking": {"type": "enabled", "budget_tokens": 2048}}
        return body | STEADY

    def again(self, case: Case, asked: Json, answer: Json, *, stored: bool) -> Json:
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": text}
            for call, text in zip(calls, case.results, strict=True)
        ]
        said = {"role": "assistant", "content": answer["content"]}
        turns = [*asked["messages"], said, {"role": "user", "content": results}]
        return {**asked, "messages": turns, "tool_choice": {"type": "auto"}}

    def fold(self, events: Sequence[Event]) -> Json:
        assert all(name == data["type"] for name, data in events)
        assert (events[0][0], events[-1][0]) == ("message_start", "message_stop")
        message: Json = events[0][1]["message"]
        for name, event in events[1:]:
            if name == "content_block_start":
                assert event["index"] == len(message["content"])
                message["content"].append({**event["content_block"], "input_json": ""})
            elif name == "content_block_delta":
                _grow(message["content"][event["index"]], event["delta"])
            elif name == "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
        for block in message["content"]:
            given = block.pop("input_json")
            if block["type"] == "tool_use":
                block["input"] = json.loads(given or "{}")
        return message

    def facts(self, answer: Json) -> Facts:
        assert (answer["type"], answer["role"]) == ("message", "assistant")
        blocks = answer["content"]
        calls = [
            Call(block["id"], block["name"], canonical(block["input"]))
            for block in blocks
            if block["type"] == "tool_use"
        ]
        stop = STOPS[answer["stop_reason"]]
        usage = answer["usage"]
        read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
        thought = usage.get("output_tokens_details", {}).get("thinking_tokens", 0)
        spent = Spent(usage["input_tokens"] + read + written, usage["output_tokens"], read, written, thought)
        return Facts(_joined(blocks, "text"), _joined(blocks, "thinking"), tuple(calls), stop, spent)

    def failure(self, status: int, told: Any) -> Failure:
        assert told["type"] == "error"
        return Failure(status, told["error"]["type"], told["error"]["message"])

    def broken(self, events: Sequence[Event]) -> Failure:
        *before, (name, last) = events
        assert name == "error"
        deltas = [event["delta"] for kind, event in before if kind == "content_block_delta"]
        return self.failure(200, last)._replace(before="".join(delta.get("text", "") for delta in deltas))


def _grow(block: Json, delta: Json) -> None:
    kind = delta["type"].removesuffix("_delta")
    if kind == "input_json":
        block["input_json"] += delta["partial_json"]
    else:
        block[kind] += delta[kind]


def _joined(blocks: Iterable[Json], kind: str) -> str:
    return "".join(block[kind] for block in blocks if block["type"] == kind)
