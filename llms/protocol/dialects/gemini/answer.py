"""What a model answered, as the chunk objects of a chat.

One `GenerateContentResponse` is an event of a stream or a whole answer: both hold `candidates` with `parts`, and
`usageMetadata` that grows ("Generating content"). Signatures go out as "Thought signatures" wants them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from llms.protocol import json
from llms.protocol.chat import ChunkObject
from llms.protocol.dialects.gemini.contents import TEXT_SIGNATURE
from llms.protocol.dialects.gemini.logprobs import logprobs_of
from llms.protocol.dialects.gemini.shapes import dicts
from llms.protocol.errors import LlmsError, UpstreamError, UpstreamRejected, excerpt

_FINISHES: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
"""All others are failures of the model."""
_PLAIN: Final = frozenset({"STOP", "MAX_TOKENS"})
_ALSO: Final = ("safetyRatings", "citationMetadata", "groundingMetadata", "urlContextMetadata", "finishMessage")
"""What is told of a candidate beside its parts; passed on as it is in `extra_content.google`."""

Delta = dict[str, Any]
Remember = Callable[[str, str], None]
"""Keep the signature of a call by the call's id."""


@final
@dataclass(slots=True)
class _Candidate:
    """What was said of one choice so far."""

    calls: int = 0
    details: int = 0
    images: int = 0
    has_answered: bool = False
    """Something but thoughts was said."""


@final
class Answer:
    """Translate one answer, piece by piece."""

    __slots__ = ("_candidates", "_head", "_provider", "_remember", "error", "usage")

    def __init__(self, *, provider: str, model: str, fallback_id: str, created: int, remember: Remember) -> None:
        """Take what to say where the upstream says nothing; `created` is in Unix seconds."""
        self._head = {"id": fallback_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._provider = provider
        self._remember = remember
        self._candidates: dict[int, _Candidate] = {}
        self.usage: Mapping[str, Any] | None = None
        self.error: LlmsError | None = None
        """Why there is no answer, or no more of it."""

    def objects(self, item: Mapping[str, Any]) -> list[ChunkObject]:
        """Return the chunk objects of one event; `error` is set where it ends the answer."""
        if not self._candidates:
            self._head["id"] = item.get("responseId") or self._head["id"]
            self._head["model"] = item.get("modelVersion") or self._head["model"]
        found = item.get("usageMetadata")
        self.usage = found if isinstance(found, dict) else self.usage
        objects = []
        for candidate in dicts(item.get("candidates")):
            objects += [{**self._head, "choices": [choice]} for choice in self._choices(candidate)]
        feedback = item.get("promptFeedback")
        if isinstance(feedback, dict) and feedback.get("blockReason") and not self._candidates:
            reason = excerpt(feedback["blockReason"], 60)
            self.error = UpstreamRejected(
                f"{self._provider}: the prompt was blocked ({reason}).", code="content_filter", param="messages"
            )
        return objects

    def note(self, usage: Mapping[str, Any]) -> None:
        """Take the tokens that an event counts which is told otherwise."""
        self.usage = usage

    def ending(self) -> ChunkObject | None:
        """Return the chunk that tells usage, where it is known."""
        return None if self.usage is None else {**self._head, "choices": [], "usage": usage_of(self.usage)}

    def _choices(self, candidate: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a choice for each part and one for the end."""
        found = candidate.get("index")
        index = found if isinstance(found, int) else 0
        state = self._candidates.setdefault(index, _Candidate())
        content = candidate.get("content")
        parts = dicts(content.get("parts")) if isinstance(content, dict) else ()
        choices = [self._choice(index, delta) for part in parts if (delta := self._delta(part, index, state))]
        finish = candidate.get("finishReason")
        if isinstance(finish, str) and finish and (end := self._end(index, finish, candidate, state)):
            choices.append(end)
        also = {name: candidate[name] for name in _ALSO if candidate.get(name)}
        if choices and also:
            choices[-1]["extra_content"] = {"google": also}
        told = candidate.get("logprobsResult")
        if choices and isinstance(told, dict):
            choices[0]["logprobs"] = logprobs_of(told)
        yield from choices

    def _choice(self, index: int, delta: Delta) -> dict[str, Any]:
        return {"index": index, "delta": delta, "finish_reason": None}

    def _delta(self, part: Mapping[str, Any], index: int, state: _Candidate) -> Delta:
        found = part.get("thoughtSignature")
        signature = found if isinstance(found, str) else ""
        if isinstance(part.get("functionCall"), dict):
            state.has_answered = True
            return {"tool_calls": [self._call(part["functionCall"], signature, index, state)]}
        delta: Delta = {}
        text = part.get("text")
        if isinstance(text, str) and text:
            is_thought = part.get("thought") is True
            delta["reasoning_content" if is_thought else "content"] = text
            state.has_answered = state.has_answered or not is_thought
        elif isinstance(part.get("inlineData"), dict):
            delta["images"] = [_image(part["inlineData"], state.images)]
            state.images += 1
            state.has_answered = True
        elif ran := _run(part):
            delta["content"] = ran
            state.has_answered = True
        if signature:
            detail = {"type": "reasoning.encrypted", "data": signature, "format": TEXT_SIGNATURE}
            delta["reasoning_details"] = [{**detail, "index": state.details}]
            state.details += 1
        return delta

    def _call(self, call: Mapping[str, Any], signature: str, index: int, state: _Candidate) -> dict[str, Any]:
        call_id = call.get("id") or f"call_{self._head['id']}_{index}_{state.calls}"
        told = {
            "index": state.calls,
            "id": call_id,
            "type": "function",
            "function": {"name": call.get("name") or "", "arguments": json.dumps(call.get("args") or {}).decode()},
        }
        state.calls += 1
        if signature:
            self._remember(call_id, signature)
            told["extra_content"] = {"google": {"thought_signature": signature}}
        return told

    def _end(self, index: int, finish: str, candidate: Mapping[str, Any], state: _Candidate) -> dict[str, Any] | None:
        """Return the choice that ends a candidate; `error` is set where the model failed before it answered."""
        reason = _FINISHES.get(finish)
        if reason is None and not state.has_answered:
            said = candidate.get("finishMessage")
            words = f"{excerpt(finish, 60)}: {excerpt(said)}" if said else excerpt(finish, 60)
            self.error = UpstreamError(f"{self._provider}: the model ended without an answer ({words}).")
            return None
        if reason in (None, "stop"):
            reason = "tool_calls" if state.calls else "stop"
        told = {} if finish in _PLAIN else {"native_finish_reason": finish}
        return {"index": index, "delta": {}, "finish_reason": reason, **told}


def _image(blob: Mapping[str, Any], place: int) -> dict[str, Any]:
    url = f"data:{blob.get('mimeType', 'image/png')};base64,{blob.get('data', '')}"
    return {"type": "image_url", "index": place, "image_url": {"url": url}}


def _run(part: Mapping[str, Any]) -> str:
    """Return code that Google ran for the model, and what it printed, as text."""
    code, result = part.get("executableCode"), part.get("codeExecutionResult")
    if isinstance(code, dict):
        return f"\n```python\n{code.get('code', '')}\n```\n"
    return f"\n```\n{result.get('output', '')}\n```\n" if isinstance(result, dict) else ""


def usage_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return OpenAI's `usage`: thoughts are completion tokens there, and results of Google's own tools prompt."""
    thoughts, cached = _count(told, "thoughtsTokenCount"), _count(told, "cachedContentTokenCount")
    prompt = _count(told, "promptTokenCount") + _count(told, "toolUsePromptTokenCount")
    completion = _count(told, "candidatesTokenCount") + thoughts
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": _count(told, "totalTokenCount") or prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }


def _count(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def has_answer(item: Any) -> bool:
    """Tell whether decoded JSON is an answer, or an event of one."""
    return isinstance(item, dict) and any(name in item for name in ("candidates", "promptFeedback", "usageMetadata"))
