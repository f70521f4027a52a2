"""Upstreams of every dialect that tell the conversation of `story`, and what they heard of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llms.testing import messages
from llms.testing.answers import Answer, answer, chunk, pieces, usage_of
from llms.testing.seen import Seen
from llms.testing.steps import event
from tests.e2e.clients.story import ANSWER, CALLS, THOUGHTS, USAGE
from tests.providers import bedrock_answers as bedrock
from tests.providers import gemini_answers as gemini
from tests.providers.anthropic_scripts import call_block, text_block, thinking_block

Past = tuple[str, str, Any, str]
"""A call that came back: its id, name, arguments and result."""


class Heard(NamedTuple):
    """What one request brought back of the turns before."""

    past: list[Past]
    kept: list[str]
    """Of the reasoning, one a turn: its text, or its signature where the dialect has one."""


class Dialect(NamedTuple):
    """How an upstream tells a turn, and reads what came back."""

    tell: Callable[[int], Answer]
    read: Callable[[Any], Heard]
    prefix: str
    """Of the ids of its calls."""
    model: str
    signs: bool = False
    """It signs what it thinks."""

    def reply(self, seen: Seen) -> Answer:
        """Tell the turn that follows those that came back."""
        return self.tell(len(self.read(seen.json).past))

    def expected(self, turn: int) -> Heard:
        """Return what a request of a turn brings back when nothing is lost."""
        past = [
            (call_id(self.prefix, at), call.name, call.arguments, call.result) for at, call in enumerate(CALLS[:turn])
        ]
        return Heard(past, [signature(at) if self.signs else THOUGHTS[at] for at in range(turn)])


def call_id(prefix: str, turn: int) -> str:
    return f"{prefix}_{turn}aB9"


def signature(turn: int) -> str:
    return f"c2lnbmVk{turn}A=="


def arguments(turn: int) -> str:
    return json.dumps(CALLS[turn].arguments, ensure_ascii=False)


def chat_chunks(turn: int) -> list[dict[str, Any]]:
    """Return the objects of a turn of chat completions."""
    deltas: list[Mapping[str, Any]] = [{"reasoning_content": piece} for piece in pieces(THOUGHTS[turn])]
    if turn < len(CALLS):
        function = {"name": CALLS[turn].name, "arguments": ""}
        call = {"index": 0, "id": call_id("call", turn), "type": "function", "function": function}
        deltas.append({"tool_calls": [call]})
        said = pieces(arguments(turn), 3)
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in said]
    else:
        deltas += [{"content": piece} for piece in pieces(ANSWER)]
    sent = [chunk({"role": "assistant", "content": ""}), *map(chunk, deltas)]
    usage = {**chunk({}), "choices": [], "usage": usage_of(*USAGE)}
    return [*sent, chunk({}, "tool_calls" if turn < len(CALLS) else "stop"), usage]


def tell_chat(turn: int) -> Answer:
    return answer(*map(event, chat_chunks(turn)), event("[DONE]"))


def read_chat(request: Any) -> Heard:
    calls: dict[str, tuple[str, Any]] = {}
    heard = Heard([], [])
    for message in request["messages"]:
        if message["role"] == "assistant":
            heard.kept.extend(filter(None, [message.get("reasoning_content") or message.get("reasoning")]))
            for call in message.get("tool_calls") or ():
                calls[call["id"]] = (call["function"]["name"], json.loads(call["function"]["arguments"]))
        elif message["role"] == "tool":
            heard.past.append((message["tool_call_id"], *calls[message["tool_call_id"]], text_of(message["content"])))
    return heard


def tell_messages(turn: int) -> Answer:
    thought = thinking_block(0, pieces(THOUGHTS[turn]), signature(turn))
    begun = messages.start(tokens=USAGE[0])
    if turn < len(CALLS):
        said, reason = call_block(1, CALLS[turn].name, arguments(turn), call_id("toolu", turn)), "tool_use"
    else:
        said, reason = text_block(1, pieces(ANSWER)), "end_turn"
    usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}
    ended = messages.event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)
    return messages.stream(begun, thought, said, ended, messages.STOP)


def read_messages(request: Any) -> Heard:
    calls: dict[str, tuple[str, Any]] = {}
    heard = Heard([], [])
    for message in request["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "thinking":
                heard.kept.append(block["signature"])
            elif block["type"] == "tool_use":
                calls[block["id"]] = (block["name"], block["input"])
            elif block["type"] == "tool_result":
                heard.past.append((block["tool_use_id"], *calls[block["tool_use_id"]], text_of(block["content"])))
    return heard


def tell_gemini(turn: int) -> Answer:
    thoughts = [gemini.said(gemini.thought(piece)) for piece in pieces(THOUGHTS[turn])]
    if turn < len(CALLS):
        call = CALLS[turn]
        part = gemini.called(call.name, call.arguments, signature=signature(turn), call_id=call_id("gem", turn))
        return gemini.streamed(*thoughts, gemini.said(part), gemini.said(gemini.text(""), finish="STOP"))
    *before, last = pieces(ANSWER)
    said = [gemini.said(gemini.text(piece)) for piece in before]
    return gemini.streamed(*thoughts, *said, gemini.said(gemini.text(last), finish="STOP"))


def read_gemini(request: Any) -> Heard:
    calls: dict[str, tuple[str, Any]] = {}
    heard = Heard([], [])
    for part in (part for content in request["contents"] for part in content["parts"]):
        if "functionCall" in part:
            call = part["functionCall"]
            calls[call["id"]] = (call["name"], call["args"])
            heard.kept.append(part.get("thoughtSignature"))
        elif "functionResponse" in part:
            result = part["functionResponse"]
            heard.past.append((result["id"], *calls[result["id"]], result["response"]["output"]))
    return heard


def tell_bedrock(turn: int) -> Answer:
    thoughts = [bedrock.thought(piece) for piece in pieces(THOUGHTS[turn])]
    thoughts += [bedrock.thought(signature(turn), name="signature"), bedrock.stop()]
    if turn < len(CALLS):
        call = bedrock.called(CALLS[turn].name, arguments(turn), at=1, call_id=call_id("tooluse", turn))
        return bedrock.streamed(*thoughts, *call, *bedrock.ended("tool_use"))
    said = [bedrock.text(piece, at=1) for piece in pieces(ANSWER)]
    return bedrock.streamed(*thoughts, *said, bedrock.stop(1), *bedrock.ended())


def read_bedrock(request: Any) -> Heard:
    calls: dict[str, tuple[str, Any]] = {}
    heard = Heard([], [])
    for part in (part for message in request["messages"] for part in message["content"]):
        if "reasoningContent" in part:
            heard.kept.append(part["reasoningContent"]["reasoningText"]["signature"])
        elif "toolUse" in part:
            call = part["toolUse"]
            calls[call["toolUseId"]] = (call["name"], call["input"])
        elif "toolResult" in part:
            result = part["toolResult"]
            heard.past.append((result["toolUseId"], *calls[result["toolUseId"]], text_of(result["content"])))
    return heard


def text_of(content: str | Sequence[Mapping[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


CHAT = Dialect(tell_chat, read_chat, "call", "fake-model")
MESSAGES = Dialect(tell_messages, read_messages, "toolu", "claude-fake", signs=True)
GEMINI = Dialect(tell_gemini, read_gemini, "gem", "gemini-3-fake", signs=True)
BEDROCK = Dialect(tell_bedrock, read_bedrock, "tooluse", "anthropic.claude-fake", signs=True)
