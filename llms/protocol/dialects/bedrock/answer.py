"""What a model answered, as the chunk objects of a chat: "ConverseStream" event by event, or "Converse" as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

from llms.protocol import json
from llms.protocol.chat import ChunkObject
from llms.protocol.dialects.bedrock.contents import HIDDEN, THOUGHT
from llms.protocol.errors import LlmsError, UpstreamError, UpstreamProtocolError, excerpt

_FINISHES: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""All others are failures of the model."""

Delta = dict[str, Any]
Told = Mapping[str, Any]


@final
class Answer:
    """Translate one answer, piece by piece."""

    __slots__ = ("_calls", "_details", "_has_answered", "_head", "_provider", "_thoughts", "error")

    def __init__(self, *, provider: str, model: str, answer_id: str, created: int) -> None:
        """Take what Bedrock does not tell; `created` is in Unix seconds."""
        self._head = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._provider = provider
        self._calls: dict[int, int] = {}
        """The number of a call, by the index of its block."""
        self._thoughts: dict[int, dict[str, str]] = {}
        """Thoughts that are under way, by the index of their block."""
        self._details = 0
        self._has_answered = False
        self.error: LlmsError | None = None
        """Why there is no answer."""

    def event(self, kind: str, told: Told) -> list[ChunkObject]:
        """Return the chunk objects of one event of a stream."""
        at = told.get("contentBlockIndex")
        index = at if isinstance(at, int) else 0
        if kind == "contentBlockStart":
            return self._said(self._started(_inner(told, "start"), index))
        if kind == "contentBlockDelta":
            return self._said(self._delta(_inner(told, "delta"), index))
        if kind == "contentBlockStop":
            return self._said(self._thought(index))
        if kind == "messageStop":
            return self._end(told.get("stopReason"))
        usage = told.get("usage") if kind == "metadata" else None
        return [self._usage(usage)] if isinstance(usage, dict) else []

    def whole(self, told: Told) -> list[ChunkObject]:
        """Return the chunk objects of a whole answer."""
        content = _inner(_inner(told, "output"), "message").get("content")
        if not isinstance(content, list):
            self.error = UpstreamProtocolError(f"{self._provider}: the upstream's answer holds no message")
            return []
        objects: list[ChunkObject] = []
        for index, block in enumerate(each for each in content if isinstance(each, dict)):
            for kind, piece in _as_events(block):
                objects += self.event(kind, {**piece, "contentBlockIndex": index})
        objects += self._end(told.get("stopReason"))
        usage = told.get("usage")
        return [*objects, self._usage(usage)] if isinstance(usage, dict) and self.error is None else objects

    def _said(self, delta: Delta) -> list[ChunkObject]:
        if not delta:
            return []
        return [{**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}]

    def _started(self, start: Told, index: int) -> Delta:
        use = start.get("toolUse")
        if not isinstance(use, dict):
            return {}
        self._has_answered = True
        number = self._calls[index] = len(self._calls)
        function = {"name": use.get("name") or "", "arguments": ""}
        return {"tool_calls": [{"index": number, "id": use.get("toolUseId"), "type": "function", "function": function}]}

    def _delta(self, delta: Told, index: int) -> Delta:
        use, thought = delta.get("toolUse"), delta.get("reasoningContent")
        if isinstance(use, dict) and index in self._calls:
            piece = {"index": self._calls[index], "function": {"arguments": use.get("input") or ""}}
            return {"tool_calls": [piece]} if use.get("input") else {}
        if isinstance(thought, dict):
            return self._think(thought, index)
        text = delta.get("text")
        self._has_answered = self._has_answered or bool(text)
        return {"content": text} if isinstance(text, str) and text else {}

    def _think(self, thought: Told, index: int) -> Delta:
        """Note what was thought, for the detail at the block's end, and say what may be read of it."""
        held = self._thoughts.setdefault(index, {})
        for name in ("text", "signature", "redactedContent"):
            if isinstance(thought.get(name), str):
                held[name] = held.get(name, "") + thought[name]
        text = thought.get("text")
        return {"reasoning_content": text} if isinstance(text, str) and text else {}

    def _thought(self, index: int) -> Delta:
        """Return the detail that has to be given back, once its block ends."""
        held = self._thoughts.pop(index, {})
        if held.get("signature"):
            told = {"type": "reasoning.text", "text": held.get("text", ""), "signature": held["signature"]}
            detail = {**told, "format": THOUGHT}
        elif held.get("redactedContent"):
            detail = {"type": "reasoning.encrypted", "data": held["redactedContent"], "format": HIDDEN}
        else:
            return {}
        self._details += 1
        return {"reasoning_details": [{**detail, "index": self._details - 1}]}

    def _end(self, stop: object) -> list[ChunkObject]:
        reason = _FINISHES.get(stop) if isinstance(stop, str) else None
        if reason is None and not self._has_answered:
            self.error = UpstreamError(f"{self._provider}: the model ended without an answer ({excerpt(stop, 60)}).")
            return []
        told = {} if reason is not None else {"native_finish_reason": stop}
        finish = reason or ("tool_calls" if self._calls else "stop")
        return [{**self._head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish, **told}]}]

    def _usage(self, told: Told) -> ChunkObject:
        read, written = _count(told, "cacheReadInputTokens"), _count(told, "cacheWriteInputTokens")
        prompt, completion = _count(told, "inputTokens") + read + written, _count(told, "outputTokens")
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        }
        return {**self._head, "choices": [], "usage": usage}


def _as_events(block: Told) -> list[tuple[str, dict[str, Any]]]:
    """Return the events that a stream would have told a block by."""
    use, thought = block.get("toolUse"), block.get("reasoningContent")
    if isinstance(use, dict):
        text = json.dumps(use.get("input") or {}).decode()
        return [
            ("contentBlockStart", {"start": {"toolUse": use}}),
            ("contentBlockDelta", {"delta": {"toolUse": {"input": text}}}),
        ]
    if isinstance(thought, dict):
        told = {**_inner(thought, "reasoningText"), **thought}
        return [("contentBlockDelta", {"delta": {"reasoningContent": told}}), ("contentBlockStop", {})]
    return [("contentBlockDelta", {"delta": block})]


def _inner(told: Told, name: str) -> Told:
    found = told.get(name)
    return found if isinstance(found, dict) else {}


def _count(told: Told, name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) and value > 0 else 0
