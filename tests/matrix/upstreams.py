"""One upstream of each dialect that says the same facts in its own words, and reads what it was asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

from llms.testing import messages
from llms.testing.answers import Answer, Script, answer, body, chunk, completion, either, error, pieces, usage_of
from llms.testing.steps import event
from tests.matrix.facts import Asked, Call, Facts, Turn, canonical
from tests.providers import anthropic_scripts

SLOW_DOWN: Final = "Slow down, please."
BROKEN: Final = "The engine caught fire."
_FINISH: Final = {"stop": "stop", "length": "length", "calls": "tool_calls", "filtered": "content_filter"}
STOP: Final = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use", "filtered": "refusal"}


class Upstream(Protocol):
    """One dialect."""

    def says(self, facts: Facts, signature: str = "") -> Script:
        """Return an answer, streamed or whole as it is asked for."""
        ...

    def refuses(self) -> Script:
        """Return a refusal that is over soon."""
        ...

    def breaks(self, text: str) -> Answer:
        """Return a stream that ends with an error."""
        ...

    def asked(self, sent: Any) -> Asked:
        """Read the body of a request."""
        ...


class OpenAI:
    """Chat completions; reasoning is signed as routers of Anthropic's models do it."""

    def says(self, facts: Facts, signature: str = "") -> Script:
        stream = answer(*map(event, [*self.objects(facts, signature), "[DONE]"]))
        return either(stream, self._whole(facts, signature))

    def objects(self, facts: Facts, signature: str = "") -> list[dict[str, Any]]:
        """Return the objects of a stream; the pieces of several calls take turns."""
        deltas: list[Any] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": piece} for piece in pieces(facts.thought)]
        deltas += [{"reasoning_details": _details(facts, signature)}] if signature else []
        deltas += [{"content": piece} for piece in pieces(facts.text)]
        for at, call in enumerate(_calls(facts)):
            deltas.append({"tool_calls": [{**call, "index": at, "function": {**call["function"], "arguments": ""}}]})
        split = [pieces(given(call), 3) for call in facts.calls]
        for turn in range(max(map(len, split), default=0)):
            deltas += [
                {"tool_calls": [{"index": at, "function": {"arguments": given[turn]}}]}
                for at, given in enumerate(split)
            ]
        last = {**chunk({}), "choices": [], "usage": _usage(facts)}
        return [*map(chunk, deltas), chunk({}, _FINISH[facts.stop]), last]

    def refuses(self) -> Script:
        return error(429, message=SLOW_DOWN, headers={"Retry-After": "7"})

    def breaks(self, text: str) -> Answer:
        told = {"error": {"message": BROKEN, "type": "server_error", "param": None, "code": None}}
        return answer(*(event(chunk({"content": piece})) for piece in pieces(text)), event(told))

    def asked(self, sent: Any) -> Asked:
        tools = tuple(canonical([t["function"]["name"], t["function"]["parameters"]]) for t in sent.get("tools", ()))
        form = sent.get("response_format", {}).get("json_schema", {}).get("schema")
        turns = tuple(self._turn(message) for message in sent["messages"])
        choice = sent.get("tool_choice") or "auto"
        choice = choice if isinstance(choice, str) else choice["function"]["name"]
        limit = sent.get("max_tokens") or sent["max_completion_tokens"]
        schema = canonical(form) if form else ""
        return Asked(turns, tools, choice, schema, limit, sent.get("reasoning_effort") == "low")

    def _turn(self, message: Any) -> Turn:
        calls = tuple(
            Call(call["id"], call["function"]["name"], canonical(call["function"]["arguments"]))
            for call in message.get("tool_calls") or ()
        )
        signature = "".join(detail.get("signature", "") for detail in message.get("reasoning_details", ()))
        content = message["content"] or ""
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        text = "".join(part["text"] for part in parts if part["type"] == "text")
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        image = "".join(url.removeprefix("data:").replace(";base64,", ",") for url in urls)
        return Turn(message["role"], text, calls, message.get("tool_call_id", ""), image, signature)

    def _whole(self, facts: Facts, signature: str) -> Answer:
        message: Any = {"content": facts.text or None}
        if facts.thought:
            message["reasoning_content"] = facts.thought
        if signature:
            message["reasoning_details"] = _details(facts, signature)
        if facts.calls:
            message["tool_calls"] = _calls(facts)
        extra = {"usage": _usage(facts)}
        return body(completion(message, finish=_FINISH[facts.stop], extra=extra))


class Anthropic:
    """Messages."""

    def says(self, facts: Facts, signature: str = "") -> Script:
        events, whole = self.told(facts, signature)
        return either(messages.stream(events), body(whole))

    def told(self, facts: Facts, signature: str = "") -> tuple[bytes, dict[str, Any]]:
        """Return the events of a stream, and the message that they add up to."""
        spent = facts.usage
        usage = {
            "input_tokens": spent.prompt - spent.cached - spent.written,
            "cache_read_input_tokens": spent.cached,
            "cache_creation_input_tokens": spent.written,
            "output_tokens": spent.answer,
            "output_tokens_details": {"thinking_tokens": spent.thought},
        }
        begun = messages.message((), stop=None, usage={**usage, "output_tokens": 1})
        blocks: list[bytes] = []
        whole: list[Any] = []
        if facts.thought:
            blocks.append(anthropic_scripts.thinking_block(0, pieces(facts.thought), signature))
            whole.append({"type": "thinking", "thinking": facts.thought, "signature": signature})
        if facts.text:
            blocks.append(anthropic_scripts.text_block(len(blocks), pieces(facts.text)))
            whole.append({"type": "text", "text": facts.text})
        for call in facts.calls:
            blocks.append(anthropic_scripts.call_block(len(blocks), call.name, given(call), call.id))
            whole.append({"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)})
        stop = STOP[facts.stop]
        ending = messages.message_event(stop, tokens=spent.answer)
        begin = messages.event("message_start", message=begun)
        events = b"".join((begin, messages.PING, *blocks, ending, messages.STOP))
        return events, messages.message(whole, stop=stop, usage=usage)

    def refuses(self) -> Script:
        return messages.failure(429, "rate_limit_error", SLOW_DOWN, {"Retry-After": "7"})

    def breaks(self, text: str) -> Answer:
        begun = messages.event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        deltas = [
            messages.event("content_block_delta", index=0, delta=messages.delta("text", piece))
            for piece in pieces(text)
        ]
        broken = messages.event("error", error={"type": "api_error", "message": BROKEN})
        return messages.stream(messages.start(), begun, *deltas, broken)

    def asked(self, sent: Any) -> Asked:
        system = (Turn("system", sent["system"]),) if "system" in sent else ()
        tools = tuple(canonical([tool["name"], tool["input_schema"]]) for tool in sent.get("tools", ()))
        form = sent.get("output_config", {}).get("format", {}).get("schema")
        turns = tuple(turn for message in sent["messages"] for turn in self._turns(message))
        choice = sent.get("tool_choice") or {"type": "auto"}
        way = choice.get("name") or {"any": "required"}.get(choice["type"], choice["type"])
        schema = canonical(form) if form else ""
        return Asked((*system, *turns), tools, way, schema, sent["max_tokens"], "thinking" in sent)

    def _turns(self, message: Any) -> Sequence[Turn]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        of = {kind: [block for block in blocks if block["type"] == kind] for kind in {b["type"] for b in blocks}}
        if results := of.get("tool_result"):
            assert results == blocks
            return [Turn("tool", _plain(one["content"]), call_id=one["tool_use_id"]) for one in results]
        assert [block["type"] for block in blocks] == sorted((b["type"] for b in blocks), key=_ORDER.index)
        sources = [block["source"] for block in of.get("image", ())]
        return [
            Turn(
                message["role"],
                "".join(block["text"] for block in of.get("text", ())),
                tuple(Call(one["id"], one["name"], canonical(one["input"])) for one in of.get("tool_use", ())),
                image="".join(f"{source['media_type']},{source['data']}" for source in sources),
                signature="".join(block["signature"] for block in of.get("thinking", ())),
            )
        ]


_ORDER: Final = ("thinking", "text", "image", "tool_use")


def _calls(facts: Facts) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": given(call)}}
        for call in facts.calls
    ]


def _usage(facts: Facts) -> dict[str, Any]:
    spent = facts.usage
    details = {"cached_tokens": spent.cached, "cache_write_tokens": spent.written}
    return {**usage_of(spent.prompt, spent.answer, spent.thought), "prompt_tokens_details": details}


def given(call: Call) -> str:
    """Return the arguments as upstreams tell them; some say nothing where there are none."""
    return "" if call.arguments == "{}" else call.arguments


def _details(facts: Facts, signature: str) -> list[dict[str, Any]]:
    told = {"type": "reasoning.text", "text": facts.thought, "signature": signature}
    return [{**told, "format": "anthropic-claude-v1", "index": 0}]


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else texts(content)


def texts(blocks: Any) -> str:
    """Return the text of blocks."""
    return "".join(block.get("text", "") for block in blocks)
